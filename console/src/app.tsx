// The frame around every page, and which page an address leads to.

import type { ComponentChildren, FunctionComponent } from "preact";
import { useEffect, useErrorBoundary, useRef, useState } from "preact/hooks";
import { signOut } from "./api.ts";
import { keys, Keys } from "./keys.tsx";
import { asRefused } from "./load.ts";
import { Account } from "./pages/account.tsx";
import { Admin } from "./pages/admin.tsx";
import { BuildPage } from "./pages/build.tsx";
import { OwnBuilds } from "./pages/builds.tsx";
import { Explore } from "./pages/explore.tsx";
import { NamespacePage } from "./pages/namespace.tsx";
import { NewRepository } from "./pages/new.tsx";
import { Orgs } from "./pages/orgs.tsx";
import { RepositoryPage } from "./pages/repository.tsx";
import { Register, SignIn } from "./pages/signin.tsx";
import { TagPage } from "./pages/tag.tsx";
import { Tokens } from "./pages/tokens.tsx";
import { go, root, usePlace, type Place } from "./router.ts";
import { useSession } from "./session.ts";
import { setTheme, theme, type Theme } from "./theme.ts";
import { Problem, say, signInPath, Title, useAction, Voice } from "./ui.tsx";

export interface PageProps {
  at: Place;
  vars: string[]; // what the address has in place of its variables
}

// pages by their addresses below the root; : stands for a variable, * for the rest.
const pages: [pattern: string, page: FunctionComponent<PageProps>, open?: "open"][] = [
  ["", Explore, "open"],
  ["/sign-in", SignIn, "open"],
  ["/register", Register, "open"],
  ["/new", NewRepository],
  ["/namespaces/:", NamespacePage, "open"],
  ["/namespaces/:/:", NamespacePage, "open"],
  ["/namespaces/:/:/:", NamespacePage, "open"],
  ["/repositories/:/:", RepositoryPage, "open"],
  ["/repositories/:/:/:", RepositoryPage, "open"],
  ["/repositories/:/:/tags/:", TagPage, "open"],
  ["/builds", OwnBuilds],
  ["/builds/:", BuildPage],
  ["/organisations", Orgs],
  ["/account", Account],
  ["/account/tokens", Tokens],
  ["/admin", Admin],
];

function match(pattern: string, path: string): string[] | null {
  const want = pattern.split("/");
  const have = path.split("/");
  if (want.length !== have.length) return null;
  const vars: string[] = [];
  for (const [i, w] of want.entries()) {
    const h = have[i]!;
    if (w === ":") {
      try {
        vars.push(decodeURIComponent(h));
      } catch {
        return null;
      }
    } else if (w !== h) return null;
  }
  return vars;
}

export function App() {
  const at = usePlace();
  const who = useSession();
  const main = useRef<HTMLElement>(null);
  useEffect(() => keys(), []);
  const page = pages.find(([pattern]) => match(pattern, at.path));
  const needs = page !== undefined && page[2] !== "open" && who === null;
  useEffect(() => {
    if (needs) go(signInPath(), true);
  }, [needs, at]);
  const Page = page?.[1] ?? Missing;
  return (
    <>
      <a class="skip" href="#main" onClick={(e) => (e.preventDefault(), main.current?.focus())}>
        Skip to the page
      </a>
      <Top at={at} />
      <main id="main" tabIndex={-1} ref={main}>
        {needs ? null : (
          <Whole key={at.path + (who?.username ?? "")}>
            <Page at={at} vars={page ? match(page[0], at.path)! : []} />
          </Whole>
        )}
      </main>
      <Foot />
      <Voice />
      <Keys />
    </>
  );
}

// Whole is a page, or what stands in its place where it cannot be shown: of a hub that is
// newer or older than this page, for example.
function Whole({ children }: { children: ComponentChildren }) {
  const [error] = useErrorBoundary();
  if (error === undefined) return <>{children}</>;
  return (
    <>
      <Title text="This page cannot be shown" />
      <Problem error={asRefused(error)} retry={() => location.reload()} />
    </>
  );
}

function Missing() {
  return (
    <>
      <Title text="There is no such page" />
      <p>
        The address may have been cut off. <a href={`${root}/`}>Look at what the hub has</a>.
      </p>
    </>
  );
}

function Top({ at }: { at: Place }) {
  const who = useSession();
  const [q, set] = useState(at.path === "" ? (at.query.get("q") ?? "") : "");
  useEffect(() => {
    if (at.path === "") set(at.query.get("q") ?? "");
  }, [at]);
  return (
    <header class="top">
      <a class="brand" href={`${root}/`}>
        <Mark /> Berth
      </a>
      <form
        role="search"
        onSubmit={(e) => {
          e.preventDefault();
          go(q.trim() === "" ? `${root}/` : `${root}/?q=${encodeURIComponent(q.trim())}`);
        }}
      >
        <input id="search" type="search" aria-label="Search repositories" placeholder="Search repositories  /" value={q} onInput={(e) => set(e.currentTarget.value)} />
      </form>
      <nav aria-label="Main">
        <To to={`${root}/`} here={at.path === ""}>
          Explore
        </To>
        {who ? (
          <>
            <To to={`${root}/namespaces/${who.username}`} here={at.path.startsWith("/namespaces") || at.path.startsWith("/repositories")}>
              Repositories
            </To>
            <To to={`${root}/builds`} here={at.path.startsWith("/builds")}>
              Builds
            </To>
            <To to={`${root}/organisations`} here={at.path === "/organisations"}>
              Organisations
            </To>
            {who.admin && (
              <To to={`${root}/admin`} here={at.path === "/admin"}>
                Administration
              </To>
            )}
            <To to={`${root}/account`} here={at.path.startsWith("/account")}>
              {who.username}
            </To>
            <SignOut />
          </>
        ) : (
          <a class="button first" href={signInPath()}>
            Sign in
          </a>
        )}
      </nav>
    </header>
  );
}

function To({ to, here, children }: { to: string; here: boolean; children: ComponentChildren }) {
  return (
    <a href={to} aria-current={here ? "page" : undefined}>
      {children}
    </a>
  );
}

function SignOut() {
  const a = useAction();
  const out = () =>
    a.run(async (lead) => {
      try {
        await signOut();
        lead(`${root}/`, "Signed out");
      } catch (e) {
        say(`You are still signed in: ${asRefused(e).message}`);
      }
    });
  return (
    <button type="button" class="plain" onClick={out}>
      Sign out
    </button>
  );
}

function Foot() {
  const [t, set] = useState(theme());
  return (
    <footer>
      <a href="/openapi.json" target="_blank" rel="noopener">
        API
      </a>
      <a href={document.querySelector<HTMLLinkElement>("link[rel=license]")?.href} target="_blank" rel="noopener">
        Licences
      </a>
      <button type="button" class="plain" onClick={() => dispatchEvent(new Event("berth-keys"))}>
        Keyboard
      </button>
      <label>
        Colours{" "}
        <select
          value={t}
          onChange={(e) => {
            const next = e.currentTarget.value as Theme;
            setTheme(next);
            set(next);
          }}
        >
          <option value="system">as the system</option>
          <option value="light">light</option>
          <option value="dark">dark</option>
        </select>
      </label>
    </footer>
  );
}

function Mark() {
  return (
    <svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true">
      <rect x="3" y="4" width="8" height="6" rx="1" />
      <rect x="13" y="4" width="8" height="6" rx="1" opacity=".55" />
      <path d="M2 13h20l-2.6 6.2A3 3 0 0 1 16.6 21H7.4a3 3 0 0 1-2.8-1.8z" />
    </svg>
  );
}
