// What all pages are made of.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { advice, Refused } from "./api.ts";
import { ago, fullTime, short } from "./format.ts";
import { asRefused, type Loaded, type Pages } from "./load.ts";
import { go, here, root, stays } from "./router.ts";
import { session } from "./session.ts";

// Title is a page's heading, which a new page moves the focus to, unless one of its
// fields has it.
export function Title({ children, text, aside }: { children?: ComponentChildren; text: string; aside?: ComponentChildren }) {
  const ref = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${text} · Berth`;
  }, [text]);
  useEffect(() => {
    if (!document.activeElement?.closest("main")) ref.current?.focus({ preventScroll: true });
  }, []);
  return (
    <header class="title">
      <h1 tabIndex={-1} ref={ref}>
        {children ?? text}
      </h1>
      {aside && <div class="aside">{aside}</div>}
    </header>
  );
}

export function Problem({ error, retry }: { error: Refused | undefined; retry?: () => void }) {
  if (!error) return null;
  const toSignIn = (error.status === 401 && !error.ofPassword) || (error.status === 404 && !session());
  return (
    <div class="problem" role="alert">
      <p>
        <strong>{error.message}</strong> {advice(error)}
      </p>
      {(toSignIn || retry) && (
        <p class="actions">
          {toSignIn && (
            <a class="button" href={signInPath()}>
              Sign in
            </a>
          )}
          {retry && (
            <button type="button" onClick={retry}>
              Try again
            </button>
          )}
        </p>
      )}
    </div>
  );
}

export function signInPath(): string {
  const at = here();
  return at.startsWith(`${root}/sign-in`) ? at : `${root}/sign-in?to=${encodeURIComponent(at)}`;
}

// Load shows what was read, or that it is still being read, or why it could not be.
export function Load<T>({ of, children }: { of: Loaded<T>; children: (data: T) => ComponentChildren }) {
  if (of.data !== undefined) {
    return (
      <>
        <Problem error={of.error} retry={of.reload} />
        {children(of.data)}
      </>
    );
  }
  if (of.error) return <Problem error={of.error} retry={of.reload} />;
  return <Waiting />;
}

export function Waiting() {
  return (
    <p class="waiting" role="status">
      Loading…
    </p>
  );
}

// List shows a page of a list, with the way to its others.
export function List<T>({ of, empty, children }: { of: Pages<T>; empty: ComponentChildren; children: (entries: T[]) => ComponentChildren }) {
  return (
    <>
      <Load of={of}>{(entries) => (entries.length === 0 && !of.previous ? <div class="empty">{empty}</div> : children(entries))}</Load>
      <Pager of={of} />
    </>
  );
}

// Pager keeps its buttons, and with them the keyboard's place, while a page is read, and
// the way back from a page that is there no more.
function Pager<T>({ of }: { of: Pages<T> }) {
  if (!of.next && !of.previous) return null;
  const shown = of.data?.length ?? 0;
  return (
    <nav class="pager" aria-label="Pages">
      <button type="button" aria-disabled={!of.previous} onClick={() => of.previous?.()}>
        ← Previous
      </button>
      <span role="status">
        {shown > 0 && `${(of.from + 1).toLocaleString("en")}–${(of.from + shown).toLocaleString("en")}`}
        {shown > 0 && of.total !== null && ` of ${of.total.toLocaleString("en")}`}
      </span>
      <button type="button" aria-disabled={!of.next} onClick={() => of.next?.()}>
        Next →
      </button>
    </nav>
  );
}

export function Time({ at, none = "never" }: { at: string | null; none?: string }) {
  if (at === null) return <span class="dim">{none}</span>;
  return (
    <time dateTime={at} title={fullTime(at)}>
      {ago(at)}
    </time>
  );
}

// Table is a table that scrolls by itself where it is too wide. A column without a
// name is that of the rows' buttons; one that is false is not there. number names the
// column of figures.
export function Table({ columns, number, class: kind, children }: { columns: (string | false)[]; number?: string; class?: string; children: ComponentChildren }) {
  return (
    <div class="wide">
      <table class={kind}>
        <thead>
          <tr>
            {columns.map(
              (name) =>
                name !== false && (
                  <th scope="col" class={name === number ? "number" : undefined} key={name}>
                    {name || <span class="unseen">Actions</span>}
                  </th>
                ),
            )}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

export function Badge({ kind = "", children }: { kind?: string; children: ComponentChildren }) {
  return <span class={`badge ${kind}`}>{children}</span>;
}

// Copy is a button that puts a text on the clipboard.
export function Copy({ text, what, name = "Copy" }: { text: string; what: string; name?: string }) {
  const [done, set] = useState(false);
  const copy = async () => {
    if (!(await toClipboard(text))) {
      say(`Your browser does not let this page copy. Select ${what} and copy it yourself.`);
      return;
    }
    set(true);
    say(`Copied ${what}`);
    setTimeout(() => set(false), 1500);
  };
  return (
    <button type="button" class="copy" onClick={copy} aria-label={`Copy ${what}`} title={`Copy ${what}`}>
      {done ? "Copied" : name}
    </button>
  );
}

// The clipboard proper is there for https and this machine alone.
async function toClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "unseen";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

// Command is a line, or some, for a terminal.
export function Command({ text, what = "the command" }: { text: string; what?: string }) {
  return (
    <div class="command">
      <pre tabIndex={0}>{text}</pre>
      <Copy text={text} what={what} />
    </div>
  );
}

export function Digest({ of }: { of: string }) {
  return (
    <span class="digest">
      <code title={of}>{short(of)}</code>
      <Copy text={of} what="the digest" />
    </span>
  );
}

// Outside is a link that leaves the console; only to the web.
export function Outside({ to, children }: { to: string | null; children: ComponentChildren }) {
  if (to === null || !isWeb(to)) return <>{children}</>;
  return (
    <a href={to} rel="noopener noreferrer nofollow" target="_blank">
      {children}
    </a>
  );
}

export function isWeb(address: string): boolean {
  return /^https?:\/\//i.test(address);
}

export function Tabs({ label, all }: { label: string; all: { name: string; to: string; here: boolean }[] }) {
  return (
    <nav class="tabs" aria-label={label}>
      {all.map((t) => (
        <a href={t.to} aria-current={t.here ? "page" : undefined} key={t.to}>
          {t.name}
        </a>
      ))}
    </nav>
  );
}

// Lead is how an action leads to the page that comes after it, and says there what was
// done. Who has gone to another page meanwhile stays there, and is told.
export type Lead = (to: string, told?: string, replace?: boolean) => void;

export interface Action {
  busy: boolean;
  error: Refused | undefined; // why the last was refused
  run: (f: (lead: Lead) => Promise<void>) => Promise<void>;
}

// useAction runs something that changes the hub, once at a time.
export function useAction(): Action {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Refused>();
  const running = useRef(false);
  const run = async (f: (lead: Lead) => Promise<void>) => {
    if (running.current) return;
    running.current = true;
    setBusy(true);
    setError(undefined);
    const still = stays();
    try {
      await f((to, told, replace) => {
        if (still()) go(to, replace);
        if (told) say(told);
      });
    } catch (e) {
      setError(asRefused(e));
    } finally {
      running.current = false;
      setBusy(false);
    }
  };
  return { busy, error, run };
}

// say tells those who see and those who hear what was done.
let tell: (text: string) => void = () => {};

export function say(text: string): void {
  tell(text);
}

export function Voice() {
  const [said, set] = useState({ text: "", n: 0 });
  useEffect(() => {
    tell = (text) => set((s) => ({ text, n: s.n + 1 }));
  }, []);
  useEffect(() => {
    if (said.text === "") return;
    const timer = setTimeout(() => set((s) => ({ ...s, text: "" })), 4000);
    return () => clearTimeout(timer);
  }, [said.n]);
  return (
    <div class="voice" role="status" aria-live="polite">
      {said.text && <span key={said.n}>{said.text}</span>}
    </div>
  );
}
