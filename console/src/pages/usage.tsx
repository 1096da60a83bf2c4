import { useState } from "preact/hooks";
import { path, send } from "../api.ts";
import { Form, Input } from "../form.tsx";
import { bytes, size, written } from "../format.ts";
import { useGet } from "../load.ts";
import type { Rights } from "../mine.ts";
import type { Quota } from "../types.ts";
import { Load, say } from "../ui.tsx";

// Usage shows how much a namespace stores, and its limit.
export function Usage({ namespace, rights }: { namespace: string; rights: Rights }) {
  const at = path`/v1/namespaces/${namespace}/quota`;
  const quota = useGet<Quota>(at);
  return (
    <Load of={quota}>
      {(q) => (
        <section>
          <h2>Storage</h2>
          <p>
            <strong>{size(q.used)}</strong> used{q.limit === null ? ", without a limit." : ` of ${size(q.limit)}.`}
          </p>
          {q.limit !== null && (
            <progress max={q.limit} value={Math.min(q.used, q.limit)} aria-label="Storage used">
              {Math.round((100 * q.used) / q.limit)} %
            </progress>
          )}
          <p class="dim">Each repository's layers and manifests count once. What you delete is given back at the next collection.</p>
          {rights.may("owner") && <Limit at={at} quota={q} saved={quota.reload} />}
        </section>
      )}
    </Load>
  );
}

function Limit({ at, quota, saved }: { at: string; quota: Quota; saved: () => void }) {
  const [text, set] = useState(quota.limit === null ? "" : written(quota.limit));
  const limit = text.trim() === "" ? null : bytes(text);
  return (
    <Form
      action="Save the limit"
      disabled={Number.isNaN(limit)}
      run={async () => {
        await send("PUT", at, { limit });
        say("The limit is saved");
        saved();
      }}
    >
      <Input label="Limit" value={text} set={set} placeholder="none" hint={Number.isNaN(limit) ? "Write it as 20 GiB or 500 MiB." : "As 20 GiB. Empty for none. Pushes that would pass it are refused."} />
    </Form>
  );
}
