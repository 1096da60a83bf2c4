// Calls of the hub API.

import { session, setSession, type Session } from "./session.ts";
import type { Profile } from "./types.ts";

// Refused is an answer that says no, or that none came (status 0).
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly wait = 0, // seconds after which to try again, as the hub says
    readonly ofPassword = false, // a 401 about a password that was just given
  ) {
    super(message);
  }
}

// passing tells errors that the same request may not meet again.
export function passing(e: unknown): boolean {
  return e instanceof Refused && (e.status === 0 || e.status === 429 || e.status >= 500);
}

export interface Answer<T> {
  body: T;
  next: string | null; // path of what follows, by the header Link
  total: number | null; // by X-Total-Count
}

interface Options {
  body?: unknown;
  signal?: AbortSignal;
  basic?: [username: string, password: string]; // instead of the session's token
  ownPassword?: boolean; // a 401 may be about a password in the body: the session stays
}

// patience is for how many milliseconds an answer to a GET is waited for: where a network
// goes without a word, nothing else ends it.
const patience = 60_000;

export async function ask<T>(method: string, path: string, options: Options = {}): Promise<Answer<T>> {
  const headers: Record<string, string> = { Accept: "application/json" };
  const by = options.basic ? null : session();
  if (options.basic) headers.Authorization = "Basic " + base64(options.basic.join(":"));
  else if (by) headers.Authorization = "Bearer " + by.token;
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  const ends = [options.signal, method === "GET" ? AbortSignal.timeout(patience) : undefined];
  let response: Response;
  let text: string;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
      signal: AbortSignal.any(ends.filter((s) => s !== undefined)),
      credentials: "omit", // with any other the browser would ask for a password by itself
      cache: "no-store",
    });
    text = await response.text(); // the network may go in the middle of it too
  } catch (e) {
    if (options.signal?.aborted) throw e;
    throw new Refused(0, "no_answer", "The hub does not answer.");
  }
  if (!response.ok) {
    const given = options.basic !== undefined || options.ownPassword === true;
    const refused = refusal(response, text, given);
    if (refused.status === 401 && by && !given && session()?.token === by.token) setSession(null);
    throw refused;
  }
  const total = response.headers.get("X-Total-Count");
  return {
    body: (text === "" ? undefined : JSON.parse(text)) as T,
    next: nextLink(response.headers.get("Link")),
    total: total === null ? null : Number(total),
  };
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await ask<T>("GET", path, { signal })).body;
}

export async function send<T>(method: string, path: string, body?: unknown): Promise<T> {
  return (await ask<T>(method, path, { body })).body;
}

function refusal(r: Response, text: string, passwordGiven: boolean): Refused {
  let code = "";
  let message = `The hub answered ${r.status} ${r.statusText}`.trim() + ".";
  try {
    const first = JSON.parse(text).errors[0];
    code = String(first.code);
    message = sentence(String(first.message));
  } catch {
    // what stands before the hub may answer in its own words, which nobody here can read
  }
  return new Refused(r.status, code, message, Number(r.headers.get("Retry-After")) || 0, r.status === 401 && passwordGiven);
}

function sentence(s: string): string {
  return /[.!?]$/.test(s) ? s : s + ".";
}

// advice says what to do about a failure, beyond what the hub said.
export function advice(e: Refused): string {
  switch (e.status) {
    case 0:
      return "See whether the hub runs and this machine has a network, then try again.";
    case 401:
      return e.ofPassword ? "" : "Sign in, and try again.";
    case 404:
      return session() ? "It may have been deleted, or you may not see it." : "If it is private, sign in to see it.";
    case 429:
      return e.wait > 0 ? `Try again in ${e.wait} seconds.` : "Wait a little, and try again.";
  }
  if (e.status >= 500) return "Try again; if it stays so, whoever runs the hub finds the reason in its log.";
  return "";
}

// local is the path of an address that the hub gave. The console may be reached under
// another name than the hub's public one, and asks where it came from alone.
export function local(address: string): string {
  const u = new URL(address, "http://hub.invalid");
  return u.pathname + u.search;
}

export function nextLink(header: string | null): string | null {
  const found = /<([^>]*)>\s*;\s*rel="next"/.exec(header ?? "");
  return found?.[1] ? local(found[1]) : null;
}

export function path(strings: TemplateStringsArray, ...parts: string[]): string {
  return strings.reduce((s, t, i) => s + segment(parts[i - 1] ?? "") + t);
}

// segment is a name as one part of a path. No way to write them keeps . and .. from
// leading elsewhere; nothing has these names, so what they become is not found.
function segment(name: string): string {
  return /^\.{1,2}$/.test(name) ? encodeURIComponent(`(${name})`) : encodeURIComponent(name);
}

export function query(params: Record<string, string | number | undefined>): string {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(params)) if (v !== undefined && v !== "") q.set(k, String(v));
  const s = q.toString();
  return s === "" ? "" : "?" + s;
}

function base64(s: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(s)));
}

// sessionHours is how long the token of a log-in lives: a tab that is closed without
// signing out leaves it behind for no longer.
const sessionHours = 24;

// signIn makes an access token with the account's password, which is kept nowhere.
export async function signIn(username: string, password: string): Promise<Session> {
  const made = await ask<{ id: string; token: string }>("POST", "/v1/tokens", {
    basic: [username, password],
    body: {
      name: "console",
      permissions: ["pull", "push", "admin"],
      expires_at: new Date(Date.now() + sessionHours * 3600_000).toISOString(),
    },
  });
  const { id, token } = made.body;
  const profile = await ask<Profile>("GET", "/v1/auth/profile", { basic: [username, token] });
  const s = { token, id, username: profile.body.username, admin: profile.body.is_admin };
  setSession(s);
  return s;
}

// signOut revokes the token. Where the hub cannot be told, the session stays.
export async function signOut(): Promise<void> {
  const s = session();
  if (!s) return;
  try {
    await ask("DELETE", path`/v1/tokens/${s.id}`);
  } catch (e) {
    if (!(e instanceof Refused) || (e.status !== 401 && e.status !== 404)) throw e;
  }
  setSession(null);
}
