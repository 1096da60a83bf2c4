import { useState } from "preact/hooks";
import { path, send } from "../api.ts";
import { Check, Confirm, Form, Input } from "../form.tsx";
import { useGet, usePages } from "../load.ts";
import { root } from "../router.ts";
import type { Delivery, Webhook } from "../types.ts";
import { Badge, Command, List, Load, say, Table, Time } from "../ui.tsx";

const at = (namespace: string) => path`/v1/namespaces/${namespace}/webhooks`;

// Webhooks are where a namespace tells of pushes and builds.
export function Webhooks({ namespace }: { namespace: string }) {
  const list = usePages<Webhook>(at(namespace));
  const [made, setMade] = useState<Webhook>();
  return (
    <>
      <p class="dim">
        The hub sends a POST for each event, signed in <code>X-Berth-Signature-256</code>, and tries again for a day if no good answer comes.
      </p>
      {made?.secret && (
        <div class="made" role="status">
          <p>The webhook is made. Copy the secret that signs its deliveries now: it is shown this once.</p>
          <Command text={made.secret} what="the secret" />
          <button type="button" onClick={() => setMade(undefined)}>
            I have it
          </button>
        </div>
      )}
      <List of={list} empty={<p>{namespace} has no webhooks yet. Add one below.</p>}>
        {(all) => (
          <ul class="rows">
            {all.map((w) => (
              <Row namespace={namespace} hook={w} key={w.id} changed={list.reload} />
            ))}
          </ul>
        )}
      </List>
      <section>
        <h2>New webhook</h2>
        <Edit
          action="Add the webhook"
          save={async (w) => {
            setMade(await send<Webhook>("POST", at(namespace), w));
            say("The webhook is added");
            list.reload();
          }}
        />
      </section>
    </>
  );
}

function Row({ namespace, hook: w, changed }: { namespace: string; hook: Webhook; changed: () => void }) {
  return (
    <li>
      <div>
        <a class="name" href={`${root}${path`/namespaces/${namespace}/webhooks/${w.id}`}`}>
          {w.url}
        </a>{" "}
        {!w.is_active && <Badge>paused</Badge>}
        <p class="about">{w.events.join(", ")}</p>
      </div>
      <Confirm
        button="Delete"
        label={`Delete the webhook ${w.url}`}
        title="Delete this webhook?"
        action="Delete the webhook"
        run={async () => {
          await send("DELETE", `${at(namespace)}${path`/${w.id}`}`);
          say("The webhook is deleted");
          changed();
        }}
      >
        <p>
          <code>{w.url}</code> is told nothing more, and what was still to be sent is dropped.
        </p>
      </Confirm>
    </li>
  );
}

interface Wanted {
  url: string;
  events: string[];
  is_active?: boolean;
}

function Edit({ hook, action, save }: { hook?: Webhook; action: string; save: (w: Wanted) => Promise<void> }) {
  const [url, setURL] = useState(hook?.url ?? "");
  const [pushes, setPushes] = useState(hook?.events.includes("image:push") ?? true);
  const [builds, setBuilds] = useState(hook?.events.includes("build:complete") ?? true);
  const [active, setActive] = useState(hook?.is_active ?? true);
  return (
    <Form
      action={action}
      run={async () => {
        await save({ url, events: [...(pushes ? ["image:push"] : []), ...(builds ? ["build:complete"] : [])], is_active: active });
        if (!hook) setURL("");
      }}
    >
      <Input label="Address" type="url" value={url} set={setURL} required placeholder="https://" />
      <Check label="An image was pushed (image:push)" value={pushes} set={setPushes} />
      <Check label="A build ended (build:complete)" value={builds} set={setBuilds} />
      {hook && <Check label="Active" value={active} set={setActive} />}
    </Form>
  );
}

// Deliveries are the last that a webhook was sent, and its settings.
export function Deliveries({ namespace, id }: { namespace: string; id: string }) {
  const here = `${at(namespace)}${path`/${id}`}`;
  const hook = useGet<Webhook>(here);
  const list = usePages<Delivery>(here + "/deliveries");
  return (
    <Load of={hook}>
      {(w) => (
        <>
          <h2>
            <code>{w.url}</code>
          </h2>
          <Edit
            hook={w}
            action="Save"
            save={async (wanted) => {
              await send("PUT", here, wanted);
              say("Saved");
              hook.reload();
            }}
          />
          <section>
            <h2>Deliveries</h2>
            <button type="button" onClick={list.reload}>
              Look again
            </button>
            <List of={list} empty={<p>Nothing was sent yet. The next push or build will be.</p>}>
              {(all) => <DeliveryTable all={all} />}
            </List>
          </section>
        </>
      )}
    </Load>
  );
}

function DeliveryTable({ all }: { all: Delivery[] }) {
  return (
    <Table columns={["Event", "State", "Answer", "Attempts", "Last", "Next", "Delivery"]}>
      {all.map((d) => (
        <tr key={d.id}>
          <td>{d.event}</td>
          <td>
            <Badge kind={d.status === "delivered" ? "good" : d.status === "failed" ? "bad" : ""}>{d.status}</Badge>
          </td>
          <td>{d.status_code ?? (d.error || "none")}</td>
          <td>{d.attempts}</td>
          <td>
            <Time at={d.attempted_at} none="not yet" />
          </td>
          <td>
            <Time at={d.next_at} none="–" />
          </td>
          <td>
            <code>{d.id}</code>
          </td>
        </tr>
      ))}
    </Table>
  );
}
