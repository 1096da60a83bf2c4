import { useState } from "preact/hooks";
import { path, send } from "../api.ts";
import { Area, Confirm, Form, Input } from "../form.tsx";
import { usePages } from "../load.ts";
import type { Secret } from "../types.ts";
import { List, say, Table, Time } from "../ui.tsx";

// Secrets are what builds of a namespace may use. Their values are never shown.
export function Secrets({ namespace }: { namespace: string }) {
  const list = usePages<Secret>(path`/v1/namespaces/${namespace}/secrets` + "?page_size=50");
  return (
    <>
      <p class="dim">
        A build gets those that its configuration names, as <code>RUN --mount=type=secret,id=NAME</code>. Nobody can read a value again, and logs show *** in its place.
      </p>
      <List of={list} empty={<p>{namespace} has no build secrets yet. Add one below, and name it in a build configuration.</p>}>
        {(all) => (
          <Table columns={["Name", "Changed", ""]}>
            {all.map((s) => (
              <tr key={s.name}>
                <td>
                  <code>{s.name}</code>
                </td>
                <td>
                  <Time at={s.updated_at} />
                </td>
                <td class="end">
                  <Confirm
                    button="Delete"
                    label={`Delete ${s.name}`}
                    title={`Delete the secret ${s.name}?`}
                    action="Delete the secret"
                    run={async () => {
                      await send("DELETE", path`/v1/namespaces/${namespace}/secrets/${s.name}`);
                      say(`${s.name} is deleted`);
                      list.reload();
                    }}
                  >
                    <p>Builds whose configuration names it will fail.</p>
                  </Confirm>
                </td>
              </tr>
            ))}
          </Table>
        )}
      </List>
      <Add namespace={namespace} done={list.reload} />
    </>
  );
}

function Add({ namespace, done }: { namespace: string; done: () => void }) {
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  return (
    <section>
      <h2>Add or replace a secret</h2>
      <Form
        action="Save the secret"
        run={async () => {
          await send("PUT", path`/v1/namespaces/${namespace}/secrets/${name}`, { value });
          say(`${name} is saved`);
          setName("");
          setValue("");
          done();
        }}
      >
        <Input label="Name" value={name} set={setName} required autoComplete="off" />
        <Area label="Value" value={value} set={setValue} rows={3} hint="Up to its last character: a line feed at the end is part of it." />
      </Form>
    </section>
  );
}
