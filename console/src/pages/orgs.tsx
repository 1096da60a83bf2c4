import { useState } from "preact/hooks";
import { path, send } from "../api.ts";
import { Confirm, Form, Input } from "../form.tsx";
import { useGet } from "../load.ts";
import { forgetOrgs, useOrgs } from "../mine.ts";
import { root } from "../router.ts";
import type { Org } from "../types.ts";
import { Badge, Load, say, Title } from "../ui.tsx";

// Orgs lists the account's organisations, and makes new ones.
export function Orgs() {
  const orgs = useOrgs();
  const [name, setName] = useState("");
  const [company, setCompany] = useState("");
  return (
    <>
      <Title text="Organisations" />
      <Load of={orgs}>
        {(all) =>
          all.length === 0 ? (
            <div class="empty">
              <p>You are in no organisation yet. An organisation is a namespace that several people share: make one below, then add its members.</p>
            </div>
          ) : (
            <ul class="rows">
              {all.map((o) => (
                <li key={o.name}>
                  <div>
                    <a class="name" href={`${root}${path`/namespaces/${o.name}`}`}>
                      {o.name}
                    </a>{" "}
                    <Badge>{o.role}</Badge>
                    {o.company && <p class="about">{o.company}</p>}
                  </div>
                </li>
              ))}
            </ul>
          )
        }
      </Load>
      <section>
        <h2>New organisation</h2>
        <Form
          action="Make it"
          run={async (lead) => {
            await send("POST", "/v1/orgs", { name, company });
            forgetOrgs();
            lead(`${root}${path`/namespaces/${name}/members`}`, `${name} is made. Add its members`);
          }}
        >
          <Input label="Name" value={name} set={setName} required maxLength={64} autoComplete="off" hint="Images are then called NAME/repository. It cannot be changed." />
          <Input label="Full name" value={company} set={setCompany} autoComplete="organization" />
        </Form>
      </section>
    </>
  );
}

// OrgSettings are an organisation's full name and its end.
export function OrgSettings({ org }: { org: string }) {
  const at = path`/v1/orgs/${org}`;
  return (
    <Load of={useGet<Org>(at)}>
      {(o) => (
        <>
          <FullName at={at} org={o} />
          <section class="ends">
            <h2>Delete {org}</h2>
            <p>Only an organisation without repositories can be deleted.</p>
            <Confirm
              button="Delete the organisation"
              title={`Delete ${org}?`}
              action="Delete the organisation"
              type={org}
              run={async (lead) => {
                await send("DELETE", at);
                forgetOrgs();
                lead(`${root}/organisations`, `${org} is deleted`);
              }}
            >
              <p>Its members, robots, webhooks and build secrets go with it.</p>
            </Confirm>
          </section>
        </>
      )}
    </Load>
  );
}

function FullName({ at, org }: { at: string; org: Org }) {
  const [company, set] = useState(org.company);
  return (
    <section>
      <h2>Name</h2>
      <Form
        action="Save"
        run={async () => {
          await send("PUT", at, { company });
          forgetOrgs();
          say("Saved");
        }}
      >
        <Input label="Full name" value={company} set={set} autoComplete="organization" />
      </Form>
    </section>
  );
}
