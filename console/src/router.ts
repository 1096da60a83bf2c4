// Pages have addresses of their own below /console/, kept in the browser's history.

import { useEffect, useState } from "preact/hooks";

export const root = "/console";

const listeners = new Set<() => void>();

export interface Place {
  path: string; // below the root, without a slash at its end; "" = the first page
  query: URLSearchParams;
}

function place(): Place {
  const path = location.pathname.slice(root.length).replace(/\/+$/, "");
  return { path, query: new URLSearchParams(location.search) };
}

let visits = 0; // how often another page was gone to

// stays is what tells later whether the page is still the one that is shown now: who
// left and came back has another before them.
export function stays(): () => boolean {
  const now = visits;
  return () => now === visits;
}

export function usePlace(): Place {
  const [at, set] = useState(place);
  useEffect(() => {
    const changed = () => set(place());
    const wentBack = () => {
      visits++;
      changed();
    };
    listeners.add(changed);
    addEventListener("popstate", wentBack);
    return () => {
      listeners.delete(changed);
      removeEventListener("popstate", wentBack);
    };
  }, []);
  return at;
}

// useQuery is a part of the page's address that may change while the page stays, so that
// coming back to it finds it as it was.
export function useQuery(name: string): [value: string, set: (value: string) => void] {
  const value = usePlace().query.get(name) ?? "";
  return [
    value,
    (to) => {
      const all = new URLSearchParams(location.search);
      if (to === "") all.delete(name);
      else all.set(name, to);
      go(location.pathname + (all.size > 0 ? `?${all}` : ""), true);
    },
  ];
}

export function here(): string {
  return location.pathname + location.search;
}

// go leads to a page; to begins with the root.
export function go(to: string, replace = false): void {
  if (new URL(to, location.href).pathname !== location.pathname) visits++;
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  for (const tell of listeners) tell();
  if (!replace) scrollTo(0, 0);
}

// takeLinks lets plain links between pages change the page without loading it anew.
// What a browser does otherwise with a link (new tab, download) stays as it is.
export function takeLinks(): void {
  document.addEventListener("click", (e) => {
    if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    const a = (e.target as Element | null)?.closest?.("a[href]");
    if (!(a instanceof HTMLAnchorElement) || a.target !== "" || a.hasAttribute("download")) return;
    const inside = a.pathname === root || a.pathname.startsWith(root + "/");
    if (a.origin !== location.origin || !inside || a.pathname.startsWith(root + "/assets/")) return;
    if (a.hash !== "" && a.pathname === location.pathname) return;
    e.preventDefault();
    go(a.pathname + a.search);
  });
}

// back is a page to return to after signing in: one of the console's, or the first.
export function back(to: string | null): string {
  return to !== null && to.startsWith(root + "/") && !to.includes("//") && !to.includes("\\") ? to : root + "/";
}
