import { Area, Check, Choice, Input } from "../form.tsx";
import type { TagConfig } from "../types.ts";

export function newTagConfig(): TagConfig {
  return {
    docker_repo_tag: "latest",
    dockerfile_location: "/",
    code_repo_type: "branch",
    code_repo_type_value: "main",
    is_active: true,
    version_tagging: 0,
    build_context_path: "/",
    build_cache_enabled: true,
    build_args: {},
    platforms: [],
    build_secrets: [],
  };
}

// pairs reads lines of NAME=value.
export function pairs(text: string): Record<string, string> {
  const all: Record<string, string> = {};
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const at = line.indexOf("=");
    all[(at < 0 ? line : line.slice(0, at)).trim()] = at < 0 ? "" : line.slice(at + 1);
  }
  return all;
}

export function words(text: string): string[] {
  return text.split(/[\s,]+/).filter((w) => w !== "");
}

// Draft is a tag configuration while it is written: lists are still text.
export interface Draft extends Omit<TagConfig, "build_args" | "platforms" | "build_secrets"> {
  args: string;
  platforms: string;
  secrets: string;
}

export function draftOf({ build_args, platforms, build_secrets, ...rest }: TagConfig): Draft {
  return {
    ...rest,
    args: Object.entries(build_args)
      .map(([k, v]) => `${k}=${v}`)
      .join("\n"),
    platforms: platforms.join(", "),
    secrets: build_secrets.join(", "),
  };
}

export function written({ args, platforms, secrets, ...rest }: Draft): TagConfig {
  return { ...rest, build_args: pairs(args), platforms: words(platforms), build_secrets: words(secrets) };
}

// TagFields edit one tag configuration: what of the code is built, and to which tag.
export function TagFields({ of: t, set }: { of: Draft; set: (t: Draft) => void }) {
  const change = (c: Partial<Draft>) => set({ ...t, ...c });
  return (
    <>
      <div class="pair">
        <Choice
          label="Built from"
          value={t.code_repo_type}
          set={(v) => change({ code_repo_type: v })}
          of={[
            ["branch", "branch"],
            ["tag", "tag"],
          ]}
        />
        <Input label="Its name" value={t.code_repo_type_value} set={(v) => change({ code_repo_type_value: v })} required hint="Or a regular expression between slashes, as /v(\d+)/." />
      </div>
      <Input label="Tag of the image" value={t.docker_repo_tag} set={(v) => change({ docker_repo_tag: v })} required />
      <Check label="Build at every push" value={t.is_active} set={(v) => change({ is_active: v })} hint="The Git host tells of pushes by a webhook, whose address is shown once this is saved." />
      {/* what is wrong in there could not be shown */}
      <details onInvalidCapture={(e) => (e.currentTarget.open = true)}>
        <summary>More</summary>
        <div class="pair">
          <Input label="Folder of the Dockerfile" value={t.dockerfile_location} set={(v) => change({ dockerfile_location: v })} required />
          <Input label="Folder that is built" value={t.build_context_path} set={(v) => change({ build_context_path: v })} required />
        </div>
        <Choice
          label="Further tag for each build"
          value={String(t.version_tagging)}
          set={(v) => change({ version_tagging: Number(v) })}
          of={[
            ["0", "none"],
            ["1", "its time, as v20260131.120000"],
            ["2", "its commit"],
          ]}
        />
        <Input label="Platforms" value={t.platforms} set={(v) => change({ platforms: v })} placeholder="the builder's" hint="As linux/amd64, linux/arm64." />
        <Area label="Build arguments" value={t.args} set={(v) => change({ args: v })} rows={3} hint="NAME=value, one a line. They can be read in the image: use build secrets for what is secret." />
        <Input label="Build secrets" value={t.secrets} set={(v) => change({ secrets: v })} hint="Names of the namespace's secrets, with commas between them." />
        <Check label="Reuse layers of earlier builds" value={t.build_cache_enabled} set={(v) => change({ build_cache_enabled: v })} />
      </details>
    </>
  );
}
