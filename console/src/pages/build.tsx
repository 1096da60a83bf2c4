import { useEffect, useRef, useState } from "preact/hooks";
import { get, passing, path, Refused, send } from "../api.ts";
import type { PageProps } from "../app.tsx";
import { Confirm } from "../form.tsx";
import { follow, over, shown } from "../follow.ts";
import { count, duration, short } from "../format.ts";
import { asRefused } from "../load.ts";
import { LogView } from "../logview.ts";
import { useRights } from "../mine.ts";
import { root } from "../router.ts";
import type { Build, LogLine } from "../types.ts";
import { Outside, Problem, say, Time, Title, useAction, Waiting } from "../ui.tsx";
import { buildPath, Status } from "./builds.tsx";
import { tagPath } from "./tags.tsx";

const steps: [at: number, name: string][] = [
  [1, "queued"],
  [10, "cloning"],
  [20, "building"],
  [30, "tagging"],
  [40, "pushing"],
  [50, "done"],
];

// BuildPage is one build, followed until it ends.
export function BuildPage({ vars }: PageProps) {
  const id = vars[0] ?? "";
  const [build, setBuild] = useState<Build>();
  const [error, setError] = useState<Refused>();
  const [lost, setLost] = useState(false);
  const [view, setView] = useState<LogView>();
  const [turn, setTurn] = useState(0);
  const [, setDropped] = useState(0);
  useEffect(() => {
    if (!view) return;
    const leaving = new AbortController();
    setError(undefined);
    const at = path`/v1/builds/${id}`;
    follow(
      {
        build: () => get<Build>(at, leaving.signal),
        lines: (after) => get<LogLine[]>(`${at}/logs?after=${after}`, leaving.signal),
        wait: (ms) => pause(ms, leaving.signal),
      },
      {
        lines: (lines) => {
          view.add(lines);
          setDropped(view.dropped);
        },
        now: (b) =>
          setBuild((was) => {
            if (was && was.status !== b.status && over(b)) say(`The build ${b.status === "S" ? "succeeded" : b.status === "D" ? "was cancelled" : "failed"}`);
            return b;
          }),
        lost: (e) => setLost(e !== null),
      },
      passing,
    ).catch((e) => {
      if (!leaving.signal.aborted) setError(asRefused(e));
    });
    return () => leaving.abort();
  }, [id, view]);
  return (
    <>
      {build ? <Head b={build} /> : <Title text="Build" />}
      <Problem error={error} retry={() => setTurn((n) => n + 1)} />
      {!build && !error && <Waiting />}
      {lost && (
        <p class="note" role="status">
          The hub does not answer at the moment. It is asked again until it does.
        </p>
      )}
      <Log key={turn} id={id} ready={setView} view={view} live={build !== undefined && !over(build)} />
    </>
  );
}

// pause waits that long, and beyond it until somebody looks at the page.
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", look);
      signal.removeEventListener("abort", leave);
    };
    const leave = () => {
      end();
      reject(signal.reason);
    };
    const look = () => {
      if (document.hidden) return;
      end();
      resolve();
    };
    const timer = setTimeout(() => {
      document.addEventListener("visibilitychange", look);
      look();
    }, ms);
    signal.addEventListener("abort", leave);
  });
}

function Head({ b }: { b: Build }) {
  const rights = useRights(b.namespace, b.repo_name);
  const again = useAction();
  const writer = rights.may("writer");
  return (
    <>
      <Title
        text={`Build of ${b.docker_repo_path}:${b.docker_repo_tag}`}
        aside={
          writer &&
          (b.is_removable ? (
            <Confirm
              button="Cancel the build"
              title="Cancel this build?"
              action="Cancel the build"
              run={async () => {
                await send("DELETE", path`/v1/builds/${b.build_id}`);
                say("The build is being cancelled");
              }}
            >
              <p>It is stopped, and pushes nothing. Its log stays.</p>
            </Confirm>
          ) : (
            <button
              type="button"
              disabled={again.busy}
              onClick={() =>
                void again.run(async (lead) => {
                  const next = await send<Build>("POST", "/v1/builds", { namespace: b.namespace, repo_name: b.repo_name, tag: b.docker_repo_tag });
                  lead(buildPath(next.build_id));
                })
              }
            >
              Build again
            </button>
          ))
        }
      >
        <a href={`${root}${path`/repositories/${b.namespace}/${b.repo_name}/builds`}`}>{b.docker_repo_path}</a>:{b.docker_repo_tag}
      </Title>
      <Problem error={again.error} />
      <Steps b={b} />
      <Facts b={b} />
    </>
  );
}

function Steps({ b }: { b: Build }) {
  return (
    <div class="standing" role="status">
      <Status of={b.status} />
      <ol class="steps">
        {steps.map(([at, name]) => {
          const state = at < b.step_at || b.status === "S" ? "past" : at > b.step_at ? "" : b.status === "F" || b.status === "D" ? "bad" : "now";
          return (
            <li class={state} aria-current={at === b.step_at ? "step" : undefined} key={at}>
              {name}
            </li>
          );
        })}
      </ol>
      <Elapsed b={b} />
    </div>
  );
}

function Elapsed({ b }: { b: Build }) {
  const [now, set] = useState(Date.now());
  const goes = b.started_at !== null && b.ended_at === null;
  useEffect(() => {
    if (!goes) return;
    const timer = setInterval(() => set(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [goes]);
  return b.started_at ? <span aria-hidden={goes}>{duration(b.started_at, b.ended_at ?? now)}</span> : null;
}

function Facts({ b }: { b: Build }) {
  return (
    <>
      {over(b) && b.status !== "S" && b.detail.trim() !== "" && <p class={b.status === "F" ? "problem" : "note"}>{b.detail.trim()}</p>}
      <dl class="facts across">
        <div>
          <dt>From</dt>
          <dd>
            <Outside to={b.code_repo_branch_url ?? b.code_repo_http_url}>
              {b.code_repo_path}, {b.code_repo_type} {b.code_repo_type_value}
            </Outside>
          </dd>
        </div>
        <div>
          <dt>Commit</dt>
          <dd>{b.code_head_commit ? <Outside to={b.code_commit_http_url}><code>{short(b.code_head_commit)}</code></Outside> : <span class="dim">not known yet</span>}</dd>
        </div>
        {b.status === "S" && (
          <div>
            <dt>Image</dt>
            <dd>
              {[b.docker_repo_tag, b.docker_repo_version_tag].filter((t) => t !== null).map((t) => (
                <a href={tagPath(b.namespace, b.repo_name, t)} key={t}>
                  {t}{" "}
                </a>
              ))}
            </dd>
          </div>
        )}
        <div>
          <dt>Asked for</dt>
          <dd>
            <Time at={b.created_at} /> {b.auto_created ? "by a push" : `by ${b.created_by}`}
          </dd>
        </div>
      </dl>
    </>
  );
}

function Log({ id, ready, view, live }: { id: string; ready: (v: LogView) => void; view: LogView | undefined; live: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  const body = useRef<HTMLDivElement>(null);
  const whole = useAction();
  useEffect(() => ready(new LogView(box.current!, body.current!)), []);
  return (
    <section class="log">
      <div class="bar">
        <h2>Log</h2>
        {live && <span class="dim">goes on</span>}
        <span class="grow" />
        <button type="button" onClick={() => view?.toEnd()}>
          To the end
        </button>
        <button type="button" disabled={whole.busy} onClick={() => void whole.run(() => download(id))}>
          Download
        </button>
      </div>
      <Problem error={whole.error} />
      {view !== undefined && view.dropped > 0 && <p class="note">The first {count(view.dropped, "line")} are not shown here. Download the log to see all.</p>}
      <div class="lines" ref={box} role="log" aria-live="off" aria-label="Log of the build" tabIndex={0}>
        <div ref={body} />
      </div>
    </section>
  );
}

// download reads the whole log and gives it as a file.
async function download(id: string): Promise<void> {
  const parts: string[] = [];
  for (let after = 0; ; ) {
    const lines = await get<LogLine[]>(path`/v1/builds/${id}/logs` + `?after=${after}`);
    if (lines.length === 0) break;
    for (const l of lines) parts.push(shown(l.message) + (l.continued ? "" : "\n"));
    after = lines.at(-1)!.seq;
  }
  const a = document.createElement("a");
  a.href = URL.createObjectURL(new Blob(parts, { type: "text/plain" }));
  a.download = `build-${id}.log`;
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 60_000);
}
