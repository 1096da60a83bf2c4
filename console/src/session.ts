// Who is signed in. The access token lies in this tab's sessionStorage and nowhere
// else: it goes with the tab, and never into an address.

import { useEffect, useState } from "preact/hooks";

export interface Session {
  token: string;
  id: string; // the token's, by which it is revoked
  username: string;
  admin: boolean;
}

const key = "berth-session";
const listeners = new Set<() => void>();
let current = read();

function read(): Session | null {
  try {
    const s = JSON.parse(sessionStorage.getItem(key) ?? "null");
    return s && typeof s.token === "string" ? s : null;
  } catch {
    return null;
  }
}

export function session(): Session | null {
  return current;
}

export function setSession(s: Session | null): void {
  current = s;
  try {
    if (s) sessionStorage.setItem(key, JSON.stringify(s));
    else sessionStorage.removeItem(key);
  } catch {
    // storage may be forbidden: the session then ends when the page is loaded anew
  }
  for (const tell of listeners) tell();
}

export function onSession(tell: () => void): () => void {
  listeners.add(tell);
  return () => void listeners.delete(tell);
}

export function useSession(): Session | null {
  const [s, set] = useState(current);
  useEffect(() => {
    set(current);
    return onSession(() => set(current));
  }, []);
  return s;
}
