import { useState } from "preact/hooks";
import { send } from "../api.ts";
import { Title, Problem, say, Tabs, useAction } from "../ui.tsx";
import { root } from "../router.ts";
import type { PageProps } from "../app.tsx";
import { Accounts } from "./accounts.tsx";
import { Audit } from "./audit.tsx";

// Admin is what administrators of the hub do.
export function Admin({ at }: PageProps) {
  const part = at.query.get("part") ?? "";
  const tabs = [
    ["", "Accounts"],
    ["upkeep", "Upkeep"],
    ["audit", "Changes"],
  ] as const;
  return (
    <>
      <Title text="Administration" />
      <Tabs label="Administration" all={tabs.map(([p, name]) => ({ name, to: `${root}/admin${p && "?part=" + p}`, here: p === part }))} />
      {part === "upkeep" ? (
        <Upkeep />
      ) : part === "audit" ? (
        <Audit path="/v1/audit" />
      ) : (
        <Accounts />
      )}
    </>
  );
}

function Upkeep() {
  return (
    <>
      <Run title="Garbage" about="Collects what nothing refers to and nobody used for a day. The hub does so by itself every hour, while pushes go on." path="/v1/admin/gc" action="Collect now" />
      <Run title="Retention" about="Applies every repository's retention policies. The hub does so by itself once a day." path="/v1/admin/retention" action="Apply now" />
    </>
  );
}

function Run({ title, about, path, action }: { title: string; about: string; path: string; action: string }) {
  const a = useAction();
  const [report, set] = useState<Record<string, unknown>>();
  return (
    <section>
      <h2>{title}</h2>
      <p class="dim">{about}</p>
      <Problem error={a.error} />
      <button
        type="button"
        disabled={a.busy}
        onClick={() =>
          void a.run(async () => {
            set(await send<Record<string, unknown>>("POST", path));
            say("Done");
          })
        }
      >
        {a.busy ? "Working…" : action}
      </button>
      {report && <pre>{JSON.stringify(report, null, 2)}</pre>}
    </section>
  );
}
