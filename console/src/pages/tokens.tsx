import { useEffect, useState } from "preact/hooks";
import { ask, path, query } from "../api.ts";
import { Choice, Confirm, Form, Input, WhoseName } from "../form.tsx";
import { usePages } from "../load.ts";
import { session } from "../session.ts";
import type { MadeToken, Token } from "../types.ts";
import { Badge, Command, List, say, Table, Time } from "../ui.tsx";
import { AccountTitle } from "./account.tsx";
import { words } from "./tagconfig.tsx";

const permissions: [string, string][] = [
  ["pull", "pull"],
  ["push", "pull and push, start builds"],
  ["admin", "all that you may do"],
];

const lives: [string, string][] = [
  ["30", "30 days"],
  ["90", "90 days"],
  ["365", "a year"],
  ["", "for ever"],
];

export function Tokens() {
  return (
    <>
      <AccountTitle part="tokens" />
      <p class="dim">An access token is good wherever your password is: docker log-ins, scripts, the API.</p>
      <TokenList at="/v1/tokens" empty="You have no access tokens." />
    </>
  );
}

// Robots are tokens of a namespace, which stay when their maker's work there ends.
export function Robots({ namespace }: { namespace: string }) {
  return (
    <>
      <p class="dim">A robot is an access token for this namespace alone: for CI and for servers that pull. Its user name may be anything.</p>
      <TokenList at={"/v1/tokens" + query({ namespace })} namespace={namespace} empty={`${namespace} has no robots yet. Make one below.`} />
    </>
  );
}

function TokenList({ at, namespace, empty }: { at: string; namespace?: string; empty: string }) {
  const list = usePages<Token>(at);
  const [made, setMade] = useState<MadeToken>();
  return (
    <>
      {made && <Made token={made} done={() => setMade(undefined)} />}
      <List of={list} empty={<p>{empty}</p>}>
        {(all) => (
          <Table columns={["Name", "May", "In", "Made", "Ends", ""]}>
            {all.map((t) => (
              <Row token={t} key={t.id} done={list.reload} />
            ))}
          </Table>
        )}
      </List>
      <Make
        namespace={namespace}
        done={(t) => {
          setMade(t);
          list.reload();
        }}
      />
    </>
  );
}

function Row({ token: t, done }: { token: Token; done: () => void }) {
  const own = session()?.id === t.id;
  const [password, setPassword] = useState("");
  const where = t.repositories.length > 0 ? t.repositories.join(", ") : (t.namespace ?? "all repositories");
  return (
    <tr>
      <td>
        {t.name} {own && <Badge>this session</Badge>} {t.namespace !== null && <Badge>robot</Badge>}
      </td>
      <td>{t.permissions.join(", ")}</td>
      <td>{where}</td>
      <td>
        <Time at={t.created_at} />
      </td>
      <td>
        <Time at={t.expires_at} />
      </td>
      <td class="end">
        {!own && (
          <Confirm
            button="Revoke"
            label={`Revoke ${t.name}`}
            title={`Revoke ${t.name}?`}
            action="Revoke the token"
            closed={() => setPassword("")}
            run={async () => {
              await ask("DELETE", path`/v1/tokens/${t.id}`, { basic: [session()?.username ?? "", password] });
              say(`${t.name} is revoked`);
              done();
            }}
          >
            <p>Whatever uses it is refused from now on.</p>
            <Password value={password} set={setPassword} />
          </Confirm>
        )}
      </td>
    </tr>
  );
}

// Password is asked for: the session's token ends soon, and with it the hub lets nobody
// make or revoke one that lives on.
function Password({ value, set }: { value: string; set: (v: string) => void }) {
  return (
    <>
      <WhoseName />
      <Input label="Your password" type="password" value={value} set={set} required autoComplete="current-password" hint="Asked for because the token may outlive this session." />
    </>
  );
}

function Made({ token, done }: { token: MadeToken; done: () => void }) {
  useEffect(() => scrollTo(0, 0), [token]);
  const user = token.namespace === null ? (session()?.username ?? "token") : "robot";
  return (
    <div class="made" role="status">
      <p>
        <strong>{token.name}</strong> is made. Copy its secret now: it is shown this once.
      </p>
      <Command text={token.token} what="the secret" />
      <p class="dim">For docker and the other clients, with the secret as the password:</p>
      <Command text={`docker login ${location.host} -u ${user}`} />
      <button type="button" onClick={done}>
        I have it
      </button>
    </div>
  );
}

function Make({ namespace, done }: { namespace?: string; done: (t: MadeToken) => void }) {
  const [name, setName] = useState("");
  const [may, setMay] = useState("pull");
  const [days, setDays] = useState("90");
  const [repositories, setRepositories] = useState("");
  const [password, setPassword] = useState("");
  const robot = namespace !== undefined;
  return (
    <section>
      <h2>{robot ? "New robot" : "New access token"}</h2>
      <Form
        action={robot ? "Make the robot" : "Make the token"}
        run={async () => {
          const made = await ask<MadeToken>("POST", "/v1/tokens", {
            basic: [session()?.username ?? "", password],
            body: {
              name,
              namespace,
              permissions: { pull: ["pull"], push: ["pull", "push"], admin: ["pull", "push", "admin"] }[may],
              repositories: words(repositories),
              expires_at: days === "" ? undefined : new Date(Date.now() + Number(days) * 86400_000).toISOString(),
            },
          });
          setName("");
          setRepositories("");
          setPassword("");
          done(made.body);
        }}
      >
        <Input label="Name" value={name} set={setName} required maxLength={100} autoComplete="off" placeholder={robot ? "ci" : "laptop"} />
        <Choice label="It may" value={may} set={setMay} of={permissions} />
        <Choice label="It lives" value={days} set={setDays} of={lives} />
        <Input label="Only these repositories" value={repositories} set={setRepositories} placeholder="all" hint={`Names as ${namespace ?? session()?.username}/web, with commas between them. Empty for all.`} />
        <Password value={password} set={setPassword} />
      </Form>
    </section>
  );
}
