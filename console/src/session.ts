// Who is signed in. The access token lies in the sessionStorage of this browser's tabs and
// nowhere else: it goes with the last of them, and never into an address. A new tab is
// told by one that has it, and a session that ends, ends in all of them.

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

type Word = { told: Session } | { ended: string } | "who is signed in?";

let tell: (word: Word) => void = () => {};

// shareSession has this browser's tabs know of each other's session.
export function shareSession(): void {
  const tabs = new BroadcastChannel(key);
  tell = (word) => tabs.postMessage(word);
  tabs.onmessage = ({ data }: MessageEvent<Word>) => {
    if (data === "who is signed in?") {
      if (current) tell({ told: current });
    } else if ("told" in data) {
      if (!current) keep(data.told);
    } else if (data.ended === current?.id) keep(null);
  };
  if (!current) tell("who is signed in?");
}

// setSession begins or ends a session, in the other tabs too.
export function setSession(s: Session | null): void {
  if (s) tell({ told: s });
  else if (current) tell({ ended: current.id });
  keep(s);
}

function keep(s: Session | null): void {
  current = s;
  try {
    if (s) sessionStorage.setItem(key, JSON.stringify(s));
    else sessionStorage.removeItem(key);
  } catch {
    // storage may be forbidden: the session then ends when the page is loaded anew
  }
  for (const listener of listeners) listener();
}

export function onSession(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

export function useSession(): Session | null {
  const [s, set] = useState(current);
  useEffect(() => {
    set(current);
    return onSession(() => set(current));
  }, []);
  return s;
}
