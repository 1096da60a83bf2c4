import { path, query } from "../api.ts";
import { Search } from "../form.tsx";
import type { PageProps } from "../app.tsx";
import { count } from "../format.ts";
import { usePages } from "../load.ts";
import { useOrgs, useRights, type Rights } from "../mine.ts";
import { root, useQuery } from "../router.ts";
import { session, useSession } from "../session.ts";
import type { Repository } from "../types.ts";
import { Badge, Command, List, Tabs, Time, Title } from "../ui.tsx";
import { Audit } from "./audit.tsx";
import { BuildList } from "./builds.tsx";
import { pushCommands } from "./explore.tsx";
import { Members } from "./members.tsx";
import { OrgSettings } from "./orgs.tsx";
import { Robots } from "./tokens.tsx";
import { Secrets } from "./secrets.tsx";
import { Usage } from "./usage.tsx";
import { Deliveries, Webhooks } from "./webhooks.tsx";

// NamespacePage is a namespace with all that hangs on it.
export function NamespacePage({ vars }: PageProps) {
  const [namespace = "", part = "", item = ""] = vars;
  const rights = useRights(namespace);
  const base = `${root}${path`/namespaces/${namespace}`}`;
  const isOrg = useOrgs().data?.some((o) => o.name === namespace) ?? false;
  const tabs: [part: string, name: string, show: boolean][] = [
    ["", "Repositories", true],
    ["builds", "Builds", rights.may("reader")],
    ["members", "Members", isOrg],
    ["robots", "Robots", rights.may("owner")],
    ["webhooks", "Webhooks", rights.may("owner")],
    ["secrets", "Build secrets", rights.may("owner")],
    ["usage", "Storage", rights.may("reader")],
    ["audit", "Changes", rights.may("owner")],
    ["settings", "Settings", isOrg && rights.may("owner")],
  ];
  return (
    <>
      <Switch to={namespace} />
      <Title
        text={namespace}
        aside={
          rights.may("writer") && (
            <a class="button first" href={`${root}/new?namespace=${encodeURIComponent(namespace)}`}>
              New repository
            </a>
          )
        }
      />
      <Tabs
        label="Namespace"
        all={tabs.filter(([p, , show]) => show || p === part).map(([p, name]) => ({ name, to: p === "" ? base : `${base}/${p}`, here: p === part }))}
      />
      <Part namespace={namespace} part={part} item={item} rights={rights} />
    </>
  );
}

function Part({ namespace, part, item, rights }: { namespace: string; part: string; item: string; rights: Rights }) {
  switch (part) {
    case "":
      return <Repositories namespace={namespace} rights={rights} />;
    case "builds":
      return <BuildList path={`/v1/builds${query({ namespace })}`} empty={<p>Nothing was built here yet. Repositories that are built from Git have a button for it.</p>} />;
    case "members":
      return <Members org={namespace} rights={rights} />;
    case "robots":
      return <Robots namespace={namespace} />;
    case "webhooks":
      return item === "" ? <Webhooks namespace={namespace} /> : <Deliveries namespace={namespace} id={item} />;
    case "secrets":
      return <Secrets namespace={namespace} />;
    case "usage":
      return <Usage namespace={namespace} rights={rights} />;
    case "audit":
      return <Audit path={path`/v1/namespaces/${namespace}/audit`} />;
    case "settings":
      return <OrgSettings org={namespace} />;
  }
  return <p>There is no such part of a namespace.</p>;
}

// Switch leads to the other namespaces of the account.
function Switch({ to }: { to: string }) {
  const who = useSession();
  const orgs = useOrgs();
  if (!who) return null;
  const names = [who.username, ...(orgs.data ?? []).map((o) => o.name)];
  if (names.length < 2 && names[0] === to) return null;
  return (
    <nav class="switch" aria-label="Your namespaces">
      {names.map((n) => (
        <a href={`${root}${path`/namespaces/${n}`}`} aria-current={n === to ? "true" : undefined} key={n}>
          {n}
        </a>
      ))}
    </nav>
  );
}

function Repositories({ namespace, rights }: { namespace: string; rights: Rights }) {
  const [q, setQ] = useQuery("q");
  const [visible, setVisible] = useQuery("is_public");
  const list = usePages<Repository>(path`/v1/repositories/${namespace}` + query({ page_size: 30, q, is_public: visible }));
  const filtered = q !== "" || visible !== "";
  return (
    <>
      <Search label={`Search in ${namespace}`} value={q} set={setQ}>
        {rights.may("reader") && (
          <select aria-label="Visibility" value={visible} onChange={(e) => setVisible(e.currentTarget.value)}>
            <option value="">Public and private</option>
            <option value="true">Public</option>
            <option value="false">Private</option>
          </select>
        )}
      </Search>
      <List of={list} empty={filtered ? <p>No repository of {namespace} is like that.</p> : <Empty namespace={namespace} rights={rights} />}>
        {(all) => (
          <ul class="rows">
            {all.map((r) => (
              <Row r={r} key={r.repo_name} />
            ))}
          </ul>
        )}
      </List>
    </>
  );
}

function Row({ r }: { r: Repository }) {
  return (
    <li>
      <div>
        <a class="name" href={`${root}/repositories/${r.repo_path}`}>
          {r.repo_name}
        </a>{" "}
        {!r.is_public && <Badge kind="private">private</Badge>} {r.is_automated && <Badge>built from Git</Badge>}
        {r.description && <p class="about">{r.description}</p>}
      </div>
      <p class="facts dim">
        {r.pushed_at === null ? "nothing pushed yet" : <>pushed <Time at={r.pushed_at} /></>} · {count(r.download, "pull")} · {count(r.repo_starred_count, "star")}
      </p>
    </li>
  );
}

function Empty({ namespace, rights }: { namespace: string; rights: Rights }) {
  if (!rights.may("writer")) return <p>{namespace} has no repositories that you can see.</p>;
  return (
    <>
      <p>
        {namespace} has no repositories yet. Push an image, and its repository is made, private. With{" "}
        <a href={`${root}/account/tokens`}>an access token</a> in place of your password:
      </p>
      <Command text={pushCommands(session()?.username ?? "", namespace)} what="the commands" />
      <p>
        Or <a href={`${root}/new?namespace=${encodeURIComponent(namespace)}`}>make one by hand</a>, to be built from Git for example.
      </p>
    </>
  );
}
