import { useState } from "preact/hooks";
import { path, send } from "../api.ts";
import { Confirm, Dialog, Form, Input } from "../form.tsx";
import { usePages } from "../load.ts";
import { session } from "../session.ts";
import type { Account } from "../types.ts";
import { Badge, List, say, Table, Time } from "../ui.tsx";
import { NewAccount } from "./signin.tsx";

// Accounts are all of the hub's, for administrators.
export function Accounts() {
  const list = usePages<Account>("/v1/admin/accounts?page_size=50");
  return (
    <>
      <List of={list} empty={<p>There are no accounts.</p>}>
        {(all) => (
          <Table columns={["Account", "Name", "E-mail", "Made", ""]}>
            {all.map((a) => (
              <Row a={a} changed={list.reload} key={a.username} />
            ))}
          </Table>
        )}
      </List>
      <section>
        <h2>New account</h2>
        <NewAccount action="Make the account" then={async () => list.reload()} />
      </section>
    </>
  );
}

function Row({ a, changed }: { a: Account; changed: () => void }) {
  const change = async (fields: Partial<Account>, told: string) => {
    await send("PUT", path`/v1/admin/accounts/${a.username}`, fields);
    say(told);
    changed();
  };
  const own = session()?.username === a.username;
  return (
    <tr>
      <td>
        {a.username} {a.is_admin && <Badge>administrator</Badge>} {a.is_locked && <Badge kind="bad">locked</Badge>}
      </td>
      <td>{a.realname}</td>
      <td>{a.email}</td>
      <td>
        <Time at={a.created_at} />
      </td>
      <td class="end">
        {!own && (
          <>
            <NewPassword of={a.username} />
            <Confirm
              button={a.is_admin ? "Make no administrator" : "Make administrator"}
              label={`${a.is_admin ? "Make no administrator" : "Make administrator"}: ${a.username}`}
              title={a.is_admin ? `Shall ${a.username} be no administrator any more?` : `Make ${a.username} an administrator?`}
              action={a.is_admin ? "Take it away" : "Make administrator"}
              run={() => change({ is_admin: !a.is_admin }, a.is_admin ? `${a.username} is no administrator any more` : `${a.username} is an administrator now`)}
            >
              <p>Administrators of the hub may do everything in every namespace, and see to accounts.</p>
            </Confirm>
            <Confirm
              button={a.is_locked ? "Unlock" : "Lock"}
              label={`${a.is_locked ? "Unlock" : "Lock"} ${a.username}`}
              title={`${a.is_locked ? "Unlock" : "Lock"} ${a.username}?`}
              action={a.is_locked ? "Unlock the account" : "Lock the account"}
              run={() => change({ is_locked: !a.is_locked }, `${a.username} is ${a.is_locked ? "unlocked" : "locked"}`)}
            >
              <p>
                {a.is_locked
                  ? "Its password and the tokens that it made let in again."
                  : "Nobody gets in by its password, nor by any token that it made, robots' ones included. What it has stays."}
              </p>
            </Confirm>
          </>
        )}
      </td>
    </tr>
  );
}

// NewPassword is for somebody who forgot theirs.
function NewPassword({ of }: { of: string }) {
  const [open, set] = useState(false);
  const [password, setPassword] = useState("");
  const close = () => {
    set(false);
    setPassword("");
  };
  return (
    <>
      <button type="button" aria-label={`New password for ${of}`} onClick={() => set(true)}>
        New password
      </button>
      {open && (
        <Dialog title={`New password for ${of}`} close={close}>
          <Form
            action="Give it"
            cancel={close}
            run={async () => {
              await send("PUT", path`/v1/admin/accounts/${of}`, { password });
              say(`${of} has a new password`);
              close();
            }}
          >
            <Input label="New password" type="password" value={password} set={setPassword} required minLength={8} autoComplete="new-password" autoFocus hint="At least 8 characters. Tell it by a safe way; it can be changed under Profile." />
          </Form>
        </Dialog>
      )}
    </>
  );
}
