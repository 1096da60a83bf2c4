import { useState } from "preact/hooks";
import { ask, send } from "../api.ts";
import { Form, Input, WhoseName } from "../form.tsx";
import { useGet } from "../load.ts";
import { root } from "../router.ts";
import { session } from "../session.ts";
import type { Profile } from "../types.ts";
import { Load, say, Tabs, Title } from "../ui.tsx";

export function AccountTitle({ part }: { part: "profile" | "tokens" }) {
  return (
    <>
      <Title text={session()?.username ?? "Account"} />
      <Tabs
        label="Account"
        all={[
          { name: "Profile", to: `${root}/account`, here: part === "profile" },
          { name: "Access tokens", to: `${root}/account/tokens`, here: part === "tokens" },
        ]}
      />
    </>
  );
}

export function Account() {
  const profile = useGet<Profile>("/v1/auth/profile");
  return (
    <>
      <AccountTitle part="profile" />
      <Load of={profile}>
        {(p) => (
          <>
            <Details profile={p} />
            <Password />
          </>
        )}
      </Load>
    </>
  );
}

function Details({ profile }: { profile: Profile }) {
  const [email, setEmail] = useState(profile.email);
  const [realname, setRealname] = useState(profile.realname);
  return (
    <section>
      <h2>Profile</h2>
      <Form
        action="Save"
        run={async () => {
          await send("PUT", "/v1/auth/profile", { email, realname });
          say("Saved");
        }}
      >
        <Input label="E-mail" type="email" value={email} set={setEmail} autoComplete="email" hint="Where mail about builds goes." />
        <Input label="Full name" value={realname} set={setRealname} autoComplete="name" />
      </Form>
    </section>
  );
}

function Password() {
  const [old, setOld] = useState("");
  const [password, setPassword] = useState("");
  return (
    <section>
      <h2>Password</h2>
      <Form
        action="Change the password"
        run={async () => {
          await ask("PUT", "/v1/auth/profile", { body: { old_password: old, password }, ownPassword: true });
          setOld("");
          setPassword("");
          say("The password is changed");
        }}
      >
        <WhoseName />
        <Input label="Present password" type="password" value={old} set={setOld} required autoComplete="current-password" />
        <Input label="New password" type="password" value={password} set={setPassword} required minLength={8} autoComplete="new-password" hint="At least 8 characters. Access tokens stay as they are." />
      </Form>
    </section>
  );
}
