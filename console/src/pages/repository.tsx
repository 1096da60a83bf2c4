import type { ComponentChildren } from "preact";
import { path, send } from "../api.ts";
import type { PageProps } from "../app.tsx";
import { count } from "../format.ts";
import { useGet, useLoad } from "../load.ts";
import { useRights, type Rights } from "../mine.ts";
import { root } from "../router.ts";
import { useSession } from "../session.ts";
import type { Repository, Tag } from "../types.ts";
import { Badge, Command, Load, Problem, Tabs, Time, Title, useAction } from "../ui.tsx";
import { BuildConfigPage } from "./buildconfig.tsx";
import { RepositoryBuilds } from "./builds.tsx";
import { pushCommands } from "./explore.tsx";
import { Settings } from "./settings.tsx";
import { TagList } from "./tags.tsx";

export function repositoryPath(r: { namespace: string; repo_name: string }): string {
  return root + path`/repositories/${r.namespace}/${r.repo_name}`;
}

// RepositoryPage is a repository and all that hangs on it.
export function RepositoryPage({ vars }: PageProps) {
  const [namespace = "", name = "", part = ""] = vars;
  const rights = useRights(namespace, name);
  const loaded = useGet<Repository>(path`/v1/repositories/${namespace}/${name}`);
  const base = repositoryPath({ namespace, repo_name: name });
  const tabs: [part: string, name: string, show: boolean][] = [
    ["", "Overview", true],
    ["tags", "Tags", true],
    ["builds", "Builds", rights.may("reader") || loaded.data?.is_public === false],
    ["build-config", "How it is built", rights.may("writer") && loaded.data?.is_automated === true],
    ["settings", "Settings", rights.may("writer")],
  ];
  return (
    <>
      <Title text={`${namespace}/${name}`} aside={loaded.data && <Star r={loaded.data} changed={loaded.reload} />}>
        <a href={`${root}${path`/namespaces/${namespace}`}`}>{namespace}</a>/{name}{" "}
        {loaded.data && !loaded.data.is_public && <Badge kind="private">private</Badge>} {loaded.data?.is_automated && <Badge>built from Git</Badge>}
      </Title>
      <Tabs label="Repository" all={tabs.filter(([p, , show]) => show || p === part).map(([p, n]) => ({ name: n, to: p === "" ? base : `${base}/${p}`, here: p === part }))} />
      <Load of={loaded}>{(r) => <Part r={r} part={part} rights={rights} changed={loaded.reload} />}</Load>
    </>
  );
}

function Part({ r, part, rights, changed }: { r: Repository; part: string; rights: Rights; changed: () => void }) {
  switch (part) {
    case "":
      return <Overview r={r} rights={rights} />;
    case "tags":
      return <TagList r={r} rights={rights} />;
    case "builds":
      return <RepositoryBuilds r={r} rights={rights} />;
    case "build-config":
      return <BuildConfigPage r={r} />;
    case "settings":
      return <Settings r={r} rights={rights} changed={changed} />;
  }
  return <p>There is no such part of a repository.</p>;
}

function Star({ r, changed }: { r: Repository; changed: () => void }) {
  const who = useSession();
  const a = useAction();
  if (!who) return <span class="dim">{count(r.repo_starred_count, "star")}</span>;
  const on = r.is_repo_starred;
  return (
    <>
      <Problem error={a.error} />
      <button
        type="button"
        aria-pressed={on}
        disabled={a.busy}
        onClick={() =>
          void a.run(async () => {
            await send(on ? "DELETE" : "PUT", path`/v1/repositories/${r.namespace}/${r.repo_name}/star`);
            changed();
          })
        }
      >
        {on ? "★ Starred" : "☆ Star"} · {r.repo_starred_count.toLocaleString("en")}
      </button>
    </>
  );
}

function Overview({ r, rights }: { r: Repository; rights: Rights }) {
  return (
    <div class="split">
      <div>
        {r.description && <p class="lead">{r.description}</p>}
        {r.full_description ? <Description text={r.full_description} /> : <NoDescription r={r} rights={rights} />}
      </div>
      <aside>
        {r.pushed_at === null ? <FirstPush r={r} rights={rights} /> : <Pull r={r} />}
        <dl class="facts">
          <Fact name="Visibility">{r.is_public ? "public" : "private"}</Fact>
          <Fact name="Pushed">
            <Time at={r.pushed_at} />
          </Fact>
          <Fact name="Pulled">
            <Time at={r.pulled_at} />
          </Fact>
          <Fact name="Pulls">{r.download.toLocaleString("en")}</Fact>
          <Fact name="Pushes">{r.upload.toLocaleString("en")}</Fact>
          <Fact name="Category">{r.category}</Fact>
          <Fact name="Tags">{r.immutable_tags ? "cannot be moved or deleted" : "can be moved"}</Fact>
          <Fact name="Made">
            <Time at={r.created_at} /> by {r.created_by}
          </Fact>
        </dl>
      </aside>
    </div>
  );
}

export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

// Pull names the newest tag: without one, docker pulls latest, which there need not be.
function Pull({ r }: { r: Repository }) {
  const tags = useGet<Tag[]>(path`/v1/repositories/${r.namespace}/${r.repo_name}/tags` + "?page=1&page_size=1");
  const newest = tags.data?.[0]?.tag;
  if (newest === undefined) return null;
  return (
    <>
      <h2>Pull</h2>
      <Command text={`docker pull ${location.host}/${r.repo_path}:${newest}`} what="the pull command" />
    </>
  );
}

function FirstPush({ r, rights }: { r: Repository; rights: Rights }) {
  const who = useSession();
  if (!rights.may("writer")) return <p class="dim">Nothing was pushed here yet.</p>;
  if (r.is_automated) {
    return (
      <p>
        Nothing was pushed here yet. <a href={`${repositoryPath(r)}/builds`}>Start a build</a>, and its image comes here.
      </p>
    );
  }
  return (
    <>
      <h2>Push a first image</h2>
      <Command text={pushCommands(who?.username ?? "", r.namespace, r.repo_name)} what="the commands" />
    </>
  );
}

function NoDescription({ r, rights }: { r: Repository; rights: Rights }) {
  if (!rights.may("writer")) return r.description ? null : <p class="dim">It has no description.</p>;
  return (
    <p class="dim">
      It has no long description yet. <a href={`${repositoryPath(r)}/settings`}>Write one</a>, in Markdown.
    </p>
  );
}

// Description loads what renders Markdown when there is some to render.
export function Description({ text }: { text: string }) {
  const code = useLoad("markdown", () => import("../markdown.tsx"));
  const Markdown = code.data?.Markdown;
  if (code.error) return <pre class="plain">{text}</pre>;
  return Markdown ? <Markdown text={text} /> : <p class="waiting">Loading…</p>;
}
