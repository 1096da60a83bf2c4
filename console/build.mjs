// Builds the console into dist: `node build.mjs`. `node build.mjs test` runs the tests
// of its logic on what the same compiler makes of them.

import { spawnSync } from "node:child_process";
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
  const page = (await readFile("src/index.html", "utf8"))
    .replace("{icon}", named("icon"))
    .replace("{style}", named("style"))
    .replace("{script}", named("console"));
  // The hub holds files packed, as most browsers take them.
  await rm("dist/assets", { recursive: true, force: true });
  await mkdir("dist/assets", { recursive: true });
  const pack = (bytes) => gzipSync(bytes, { level: 9 });
  for (const f of made) await writeFile(f.replace(".make/", "dist/") + ".gz", pack(await readFile(f)));
  await writeFile("dist/index.html.gz", pack(page));
  await rm(".make", { recursive: true });
  for (const f of made) console.log(`${String(metafile.outputs[f].bytes).padStart(8)} ${f.replace(".make/", "")}`);
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
