// Reading from the hub, as pages do it.

import { useEffect, useState } from "preact/hooks";
import { ask, get, local, passing, Refused } from "./api.ts";
import type { Page } from "./types.ts";

export interface Loaded<T> {
  data: T | undefined; // the last that came; stays while it is read again, also in vain if that may pass
  error: Refused | undefined;
  loading: boolean;
  reload: () => void;
}

// useLoad reads whenever key changes; null reads nothing.
export function useLoad<T>(key: string | null, read: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [turn, setTurn] = useState(0);
  const [state, set] = useState<{ key: string | null; data?: T; error?: Refused; loading: boolean }>({ key, loading: key !== null });
  useEffect(() => {
    if (key === null) return;
    const stop = new AbortController();
    set((s) => ({ key, data: s.key === key ? s.data : undefined, loading: true }));
    read(stop.signal).then(
      (data) => {
        if (!stop.signal.aborted) set({ key, data, loading: false });
      },
      (e) => {
        if (!stop.signal.aborted) set((s) => ({ key, data: passing(e) ? s.data : undefined, error: asRefused(e), loading: false }));
      },
    );
    return () => stop.abort();
  }, [key, turn]);
  const fits = state.key === key;
  return {
    data: fits ? state.data : undefined,
    error: fits ? state.error : undefined,
    loading: key !== null && (!fits || state.loading),
    reload: () => setTurn((n) => n + 1),
  };
}

export function asRefused(e: unknown): Refused {
  return e instanceof Refused ? e : new Refused(-1, "console", `The console stumbled: ${e instanceof Error ? e.message : String(e)}`);
}

// useGet reads what is at a path of the hub API.
export function useGet<T>(path: string | null): Loaded<T> {
  return useLoad(path, (signal) => get<T>(path!, signal));
}

export interface Pages<T> extends Loaded<T[]> {
  total: number | null;
  from: number; // how many entries lie before this page
  next: (() => void) | null;
  previous: (() => void) | null;
}

interface Part<T> {
  results: T[];
  next: string | null;
  total: number | null;
}

// usePages reads a list page by page, each by the link of the one before it.
export function usePages<T>(path: string | null): Pages<T> {
  const [way, setWay] = useState<{ path: string | null; at: string[]; before: number[] }>({ path, at: [], before: [] });
  const at = way.path === path ? way.at : [];
  const before = way.path === path ? way.before : [];
  const now = at.at(-1) ?? path;
  const l = useLoad<Part<T>>(now, async (signal) => {
    const a = await ask<Page<T> | T[]>("GET", now!, { signal });
    if (Array.isArray(a.body)) return { results: a.body, next: a.next, total: a.total };
    return { results: a.body.results, next: a.body.next === null ? null : local(a.body.next), total: a.body.count };
  });
  const next = l.data?.next ?? null;
  const length = l.data?.results.length ?? 0;
  return {
    ...l,
    data: l.data?.results,
    total: l.data?.total ?? null,
    from: before.reduce((a, b) => a + b, 0),
    next: next === null ? null : () => setWay({ path, at: [...at, next], before: [...before, length] }),
    previous: at.length === 0 ? null : () => setWay({ path, at: at.slice(0, -1), before: before.slice(0, -1) }),
  };
}

// readAll reads a whole list that is known to be short.
export async function readAll<T>(path: string, signal?: AbortSignal): Promise<T[]> {
  const all: T[] = [];
  for (let at: string | null = path; at !== null; ) {
    const page: Page<T> = await get<Page<T>>(at, signal);
    all.push(...page.results);
    at = page.next === null ? null : local(page.next);
  }
  return all;
}
