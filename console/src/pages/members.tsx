import { useState } from "preact/hooks";
import { path, send } from "../api.ts";
import { Choice, Confirm, Form, Input } from "../form.tsx";
import { usePages } from "../load.ts";
import { forgetOrgs, type Rights } from "../mine.ts";
import { root } from "../router.ts";
import { session } from "../session.ts";
import type { Member } from "../types.ts";
import { List, Problem, say, Table, Time, useAction, type Action } from "../ui.tsx";

const roles: [string, string][] = [
  ["reader", "reader: pulls"],
  ["writer", "writer: pushes, builds, deletes tags"],
  ["owner", "owner: all, members included"],
];

// Members lists who belongs to an organisation; owners change that.
export function Members({ org, rights }: { org: string; rights: Rights }) {
  const list = usePages<Member>(path`/v1/orgs/${org}/members` + "?page_size=50");
  const change = useAction();
  const owner = rights.may("owner");
  return (
    <>
      <Problem error={change.error} />
      <List of={list} empty={<p>{org} has no members.</p>}>
        {(all) => (
          <Table columns={["Account", "Role", "Since", owner && ""]}>
            {all.map((m) => (
              <tr key={m.username}>
                <td>{m.username}</td>
                <td>{owner ? <RoleOf org={org} member={m} change={change} done={list.reload} /> : m.role}</td>
                <td>
                  <Time at={m.since} />
                </td>
                {owner && (
                  <td class="end">
                    <Remove org={org} member={m} done={list.reload} />
                  </td>
                )}
              </tr>
            ))}
          </Table>
        )}
      </List>
      {owner && <Add org={org} done={list.reload} />}
    </>
  );
}

interface MemberProps {
  org: string;
  member: Member;
  done: () => void;
}

// RoleOf changes a member's role: of all members one at a time.
function RoleOf({ org, member: m, change, done }: MemberProps & { change: Action }) {
  const set = (role: string) =>
    change.run(async () => {
      await send("PUT", path`/v1/orgs/${org}/members/${m.username}`, { role });
      say(`${m.username} is ${role} now`);
      forgetOrgs();
      done();
    });
  return (
    <select aria-label={`Role of ${m.username}`} value={m.role} disabled={change.busy} onChange={(e) => void set(e.currentTarget.value)}>
      {roles.map(([v]) => (
        <option value={v} key={v}>
          {v}
        </option>
      ))}
    </select>
  );
}

function Remove({ org, member, done }: MemberProps) {
  const self = session()?.username === member.username;
  return (
    <Confirm
      button={self ? "Leave" : "Remove"}
      label={self ? undefined : `Remove ${member.username}`}
      title={self ? `Leave ${org}?` : `Remove ${member.username} from ${org}?`}
      action={self ? "Leave" : "Remove"}
      run={async (lead) => {
        await send("DELETE", path`/v1/orgs/${org}/members/${member.username}`);
        forgetOrgs();
        if (self) {
          lead(`${root}/organisations`, `You are no member of ${org} any more`);
          return;
        }
        say(`${member.username} is no member of ${org} any more`);
        done();
      }}
    >
      <p>{self ? "You" : member.username} will see nothing private of {org} any more. Robots that {self ? "you" : "they"} made lose their rights too.</p>
    </Confirm>
  );
}

function Add({ org, done }: { org: string; done: () => void }) {
  const [username, setUsername] = useState("");
  const [role, setRole] = useState("reader");
  return (
    <section>
      <h2>Add a member</h2>
      <Form
        action="Add"
        run={async () => {
          await send("POST", path`/v1/orgs/${org}/members`, { username, role });
          say(`${username} is ${role} now`);
          setUsername("");
          done();
        }}
      >
        <Input label="User name" value={username} set={setUsername} required autoComplete="off" />
        <Choice label="Role" value={role} set={setRole} of={roles} />
      </Form>
    </section>
  );
}
