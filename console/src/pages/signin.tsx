import { useEffect, useState } from "preact/hooks";
import { ask, Refused, send, signIn } from "../api.ts";
import type { PageProps } from "../app.tsx";
import { Form, Input } from "../form.tsx";
import { useLoad } from "../load.ts";
import { back, go, root } from "../router.ts";
import { session, useSession } from "../session.ts";
import type { Profile } from "../types.ts";
import { Load, say, Title, type Lead } from "../ui.tsx";

export function SignIn({ at }: PageProps) {
  const to = at.query.get("to");
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const who = useSession();
  useEffect(() => {
    if (who) go(back(to), true); // here, or in another tab
  }, [who]);
  return (
    <div class="narrow">
      <Title text="Sign in" />
      <Form
        action="Sign in"
        run={async () => void (await signIn(username, password))}
      >
        <Input label="User name" value={username} set={setUsername} required autoComplete="username" autoFocus />
        <Input label="Password" type="password" value={password} set={setPassword} required autoComplete="current-password" />
      </Form>
      <p class="dim">
        No account? <a href={`${root}/register`}>Register</a>, or ask whoever runs this hub for one. Forgotten your password? They can help with that too.
      </p>
    </div>
  );
}

export function Register() {
  // Where sign-up is closed, the hub says so before it looks at what was sent.
  const open = useLoad("may register", async () => {
    try {
      await ask("POST", "/v1/auth/register", { body: {} });
    } catch (e) {
      if (!(e instanceof Refused) || e.status !== 400) throw e;
    }
    return true;
  });
  return (
    <div class="narrow">
      <Title text="Register" />
      {open.error?.status === 403 ? (
        <div class="empty">
          <p>{open.error.message}</p>
          <p>
            <a href={`${root}/sign-in`}>Sign in</a> if you have an account.
          </p>
        </div>
      ) : (
        <Load of={open}>{() => <NewAccount action="Make my account" then={(name, password, lead) => signIn(name, password).then(() => lead(`${root}/namespaces/${name}`, undefined, true))} />}</Load>
      )}
    </div>
  );
}

// NewAccount is the form for an account: of one's own, or, by an administrator,
// somebody else's.
export function NewAccount({ action, then }: { action: string; then: (name: string, password: string, lead: Lead) => Promise<void> }) {
  const [name, setName] = useState("");
  const [email, setEmail] = useState("");
  const [realname, setRealname] = useState("");
  const [password, setPassword] = useState("");
  return (
    <Form
      action={action}
      run={async (lead) => {
        const made = await send<Profile>("POST", "/v1/auth/register", { username: name, password, email, realname });
        for (const empty of [setName, setEmail, setRealname, setPassword]) empty("");
        await then(made.username, password, lead);
        say(`The account ${made.username} is made`);
      }}
    >
      <Input label="User name" value={name} set={setName} required maxLength={64} autoComplete="username" hint="Small letters, digits and - or _ between them. It is the name of your namespace too." />
      <Input label="E-mail" type="email" value={email} set={setEmail} autoComplete="email" hint="Where mail about builds goes." />
      <Input label="Full name" value={realname} set={setRealname} autoComplete="name" />
      <Input label="Password" type="password" value={password} set={setPassword} required minLength={8} autoComplete="new-password" hint="At least 8 characters." />
      {session() && <p class="hint">Tell them the password by a safe way; they can change it.</p>}
    </Form>
  );
}
