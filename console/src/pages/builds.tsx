import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { query, send } from "../api.ts";
import { Choice, Form, Input } from "../form.tsx";
import { duration, short } from "../format.ts";
import { usePages } from "../load.ts";
import { useRights, type Rights } from "../mine.ts";
import { root, useQuery } from "../router.ts";
import type { Build, BuildStatus, Repository } from "../types.ts";
import { Badge, List, Time, Title } from "../ui.tsx";
import { repositoryPath } from "./repository.tsx";

const statuses: Record<BuildStatus, [name: string, kind: string]> = {
  W: ["waiting", ""],
  I: ["running", "going"],
  S: ["succeeded", "good"],
  F: ["failed", "bad"],
  D: ["cancelled", ""],
};

export function Status({ of }: { of: BuildStatus }) {
  const [name, kind] = statuses[of] ?? [of, ""];
  return <Badge kind={kind}>{name}</Badge>;
}

export function buildPath(id: string): string {
  return `${root}/builds/${encodeURIComponent(id)}`;
}

export function OwnBuilds() {
  return (
    <>
      <Title text="Your builds" />
      <BuildList path="/v1/builds" empty={<p>You have started no build yet. A repository that is built from Git has a button for it, under Builds.</p>} />
    </>
  );
}

// RepositoryBuilds are a repository's builds, with the form that starts one.
export function RepositoryBuilds({ r, rights }: { r: Repository; rights: Rights }) {
  return (
    <>
      {r.is_automated && rights.may("writer") && <Start r={r} />}
      <BuildList
        path={`/v1/builds${query({ namespace: r.namespace, repo_name: r.repo_name })}`}
        bare
        empty={r.is_automated ? <p>Nothing was built yet.</p> : <NotAutomated namespace={r.namespace} />}
      />
    </>
  );
}

function NotAutomated({ namespace }: { namespace: string }) {
  const rights = useRights(namespace);
  return (
    <p>
      This repository is not built from Git; images are pushed to it. How a repository is built is said when it is made
      {rights.may("writer") && (
        <>
          : <a href={`${root}/new${query({ namespace, git: "1" })}`}>make one that is built from Git</a>
        </>
      )}
      .
    </p>
  );
}

function Start({ r }: { r: Repository }) {
  const tags = r.build_config?.tag_configs ?? [];
  const [tag, setTag] = useState(tags[0]?.docker_repo_tag ?? "");
  const [commit, setCommit] = useState("");
  if (tags.length === 0) {
    return (
      <p class="note">
        No tag is configured. <a href={`${repositoryPath(r)}/build-config`}>Say what to build</a> first.
      </p>
    );
  }
  return (
    <section class="start">
      <Form
        action="Start a build"
        run={async (lead) => {
          const b = await send<Build>("POST", "/v1/builds", { namespace: r.namespace, repo_name: r.repo_name, tag, code_commit_id: commit.trim() || undefined });
          lead(buildPath(b.build_id), "The build waits for its turn");
        }}
      >
        <Choice label="Tag" value={tag} set={setTag} of={tags.map((t) => [t.docker_repo_tag, `${t.docker_repo_tag}, from ${t.code_repo_type} ${t.code_repo_type_value}`])} />
        <Input label="Commit" value={commit} set={setCommit} placeholder="the latest" pattern="\s*([0-9a-f]{40}|[0-9a-f]{64})\s*" title="A full commit id, of 40 or 64 hexadecimal digits" autoComplete="off" />
      </Form>
    </section>
  );
}

// BuildList lists builds, and looks again while one of them goes on.
export function BuildList({ path, empty, bare }: { path: string; empty: ComponentChildren; bare?: boolean }) {
  const [status, setStatus] = useQuery("status");
  const list = usePages<Build>(path + (status && (path.includes("?") ? "&" : "?") + query({ status }).slice(1)));
  const going = list.data?.some((b) => b.is_removable) ?? false;
  useEffect(() => {
    if (!going || list.loading) return;
    const timer = setInterval(() => document.hidden || list.reload(), 5000);
    return () => clearInterval(timer);
  }, [going, list.loading]);
  return (
    <>
      <div class="filter">
        <select aria-label="State" value={status} onChange={(e) => setStatus(e.currentTarget.value)}>
          <option value="">All states</option>
          {Object.entries(statuses).map(([value, [name]]) => (
            <option value={value} key={value}>
              {name}
            </option>
          ))}
        </select>
      </div>
      <List of={list} empty={status === "" ? empty : <p>No build is in this state.</p>}>
        {(all) => (
          <ul class="rows builds">
            {all.map((b) => (
              <Row b={b} bare={bare} key={b.build_id} />
            ))}
          </ul>
        )}
      </List>
    </>
  );
}

function Row({ b, bare }: { b: Build; bare?: boolean }) {
  return (
    <li>
      <div>
        <Status of={b.status} />{" "}
        <a class="name" href={buildPath(b.build_id)}>
          {bare ? b.docker_repo_tag : `${b.docker_repo_path}:${b.docker_repo_tag}`}
        </a>
        <p class="about">
          {b.code_repo_type} {b.code_repo_type_value}
          {b.code_head_commit && (
            <>
              {" "}
              at <code>{short(b.code_head_commit)}</code>
            </>
          )}
          {b.status === "F" && ` · ${b.detail.trim()}`}
        </p>
      </div>
      <p class="facts dim">
        {b.auto_created ? "by a push" : `by ${b.created_by}`} · <Time at={b.created_at} />
        {b.started_at && b.ended_at && ` · ${duration(b.started_at, b.ended_at)}`}
      </p>
    </li>
  );
}
