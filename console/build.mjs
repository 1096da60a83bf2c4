// Builds the console into dist: `node build.mjs`. `node build.mjs test` runs the tests
// of its logic on what the same compiler makes of them.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

process.chdir(fileURLToPath(new URL(".", import.meta.url)));

const common = { bundle: true, format: "esm", target: "es2023", jsx: "automatic", jsxImportSource: "preact", logLevel: "warning" };

async function site() {
  // Names have a hash of the content, so that browsers may keep a file for ever.
  const { metafile } = await build({
    ...common,
    entryPoints: { console: "src/main.tsx", style: "src/style.css", icon: "src/icon.svg" },
    entryNames: "assets/[name]-[hash]",
    chunkNames: "assets/[name]-[hash]",
    assetNames: "assets/[name]-[hash]",
    outdir: ".make",
    loader: { ".svg": "copy" },
    splitting: true,
    minify: true,
    metafile: true,
    legalComments: "none",
    define: { "process.env.NODE_ENV": '"production"' },
  });
  const made = Object.keys(metafile.outputs);
  const named = (name) => "/console/" + made.find((f) => f.startsWith(`.make/assets/${name}-`)).replace(".make/", "");
  const notices = await licences(Object.keys(metafile.inputs));
  const licencesFile = `assets/licences-${createHash("sha256").update(notices).digest("hex").slice(0, 8)}.txt`;
  const page = (await readFile("src/index.html", "utf8"))
    .replace("{licences}", "/console/" + licencesFile)
    .replace("{icon}", named("icon"))
    .replace("{style}", named("style"))
    .replace("{script}", named("console"));
  // The hub holds files packed, as most browsers take them.
  await rm("dist/assets", { recursive: true, force: true });
  await mkdir("dist/assets", { recursive: true });
  const pack = (bytes) => gzipSync(bytes, { level: 9 });
  for (const f of made) await writeFile(f.replace(".make/", "dist/") + ".gz", pack(await readFile(f)));
  await writeFile(`dist/${licencesFile}.gz`, pack(notices));
  await writeFile("dist/index.html.gz", pack(page));
  await rm(".make", { recursive: true });
  for (const f of made) console.log(`${String(metafile.outputs[f].bytes).padStart(8)} ${f.replace(".make/", "")}`);
}

// licences are the terms of the packages that inputs are of, which want to go with every
// copy. A package without any is not built in.
async function licences(inputs) {
  const names = [...new Set(inputs.flatMap((f) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(f)?.[1] ?? []))].sort();
  let all = "The web console contains these packages.\n";
  for (const name of names) {
    const folder = `node_modules/${name}/`;
    const { version } = JSON.parse(await readFile(folder + "package.json", "utf8"));
    const terms = (await readdir(folder)).find((f) => /^licen[cs]e/i.test(f));
    if (!terms) throw new Error(`${name} has no file with its licence`);
    all += `\n${"-".repeat(72)}\n${name} ${version}\n\n${(await readFile(folder + terms, "utf8")).trim()}\n`;
  }
  return all;
}

async function test() {
  const outdir = ".make/test";
  const entryPoints = (await readdir("test")).filter((f) => f.endsWith(".test.ts")).map((f) => "test/" + f);
  await build({ ...common, entryPoints, outdir, platform: "node", outExtension: { ".js": ".mjs" } });
  const files = (await readdir(outdir)).map((f) => `${outdir}/${f}`);
  const run = spawnSync(process.execPath, ["--test", "--test-reporter=dot", ...files], { stdio: "inherit" });
  await rm(".make", { recursive: true });
  process.exit(run.status ?? 1);
}

await (process.argv[2] === "test" ? test() : site());
