import { useState } from "preact/hooks";
import { path, send } from "../api.ts";
import { Check, Form } from "../form.tsx";
import { useGet } from "../load.ts";
import type { BuildConfig, Repository } from "../types.ts";
import { Command, Load, Outside, say } from "../ui.tsx";
import { draftOf, newTagConfig, TagFields, written, type Draft } from "./tagconfig.tsx";

// BuildConfigPage shows how a repository is built, and what the Git host must know.
export function BuildConfigPage({ r }: { r: Repository }) {
  const at = path`/v1/repositories/${r.namespace}/${r.repo_name}/build-config`;
  const loaded = useGet<BuildConfig>(at);
  return (
    <Load of={loaded}>
      {(c) => (
        <>
          <p>
            Built from <Outside to={c.code_repo_http_url ?? c.code_repo_clone_url}>{c.code_repo_path}</Outside>
            {c.code_repo_client !== "Simple" && ` on ${c.code_repo_client === "OSChina" ? "Gitee" : c.code_repo_client}`}.
          </p>
          <TagConfigs at={at} config={c} changed={loaded.reload} />
          <GitHost c={c} />
        </>
      )}
    </Load>
  );
}

// keyed drafts keep their place on the page while others are removed.
interface Keyed {
  key: number;
  draft: Draft;
}

let keys = 0;
const keyed = (draft: Draft): Keyed => ({ key: ++keys, draft });

function TagConfigs({ at, config, changed }: { at: string; config: BuildConfig; changed: () => void }) {
  const [tags, set] = useState(() => config.tag_configs.map((t) => keyed(draftOf(t))));
  const [mail, setMail] = useState(config.email_enabled);
  return (
    <section>
      <h2>What is built</h2>
      <Form
        action="Save"
        run={async () => {
          const saved = await send<BuildConfig>("PUT", at, { email_enabled: mail, tag_configs: tags.map((t) => written(t.draft)) });
          set(saved.tag_configs.map((t) => keyed(draftOf(t))));
          say("Saved");
          changed();
        }}
      >
        {tags.length === 0 && <p class="empty">No tag is built yet. Add one.</p>}
        {tags.map((t, i) => (
          <fieldset key={t.key}>
            <legend>{t.draft.docker_repo_tag || "A tag"}</legend>
            <TagFields of={t.draft} set={(draft) => set(tags.map((other, j) => (j === i ? { ...other, draft } : other)))} />
            <button type="button" onClick={() => set(tags.filter((_, j) => j !== i))}>
              Take out
            </button>
          </fieldset>
        ))}
        <p>
          <button type="button" onClick={() => set([...tags, keyed(draftOf(newTagConfig()))])}>
            Add a tag
          </button>
        </p>
        <Check label="E-mail to whoever asked for a build, at its end" value={mail} set={setMail} />
      </Form>
    </section>
  );
}

// GitHost is what must be entered at the Git host.
function GitHost({ c }: { c: BuildConfig }) {
  const [shown, show] = useState(false);
  return (
    <>
      <section>
        <h2>Deploy key</h2>
        <p>
          If the code is private, enter this key at the Git host
          {c.deploy_url !== null && (
            <>
              , on <Outside to={c.deploy_url}>its page for deploy keys</Outside>
            </>
          )}
          . It only needs to read.
        </p>
        <Command text={c.code_repo_public_key} what="the deploy key" />
      </section>
      <section>
        <h2>Webhook</h2>
        {c.code_repo_webhook_url === null ? (
          <p>None is needed: no tag is built at every push.</p>
        ) : (
          <>
            <p>Enter this address and secret as a webhook for pushes at the Git host. Then each push starts its build.</p>
            <h3>Address</h3>
            <Command text={c.code_repo_webhook_url} what="the webhook's address" />
            <h3>Secret</h3>
            {shown && c.code_repo_webhook_secret !== null ? (
              <Command text={c.code_repo_webhook_secret} what="the webhook's secret" />
            ) : (
              <button type="button" onClick={() => show(true)}>
                Show the secret
              </button>
            )}
          </>
        )}
      </section>
    </>
  );
}
