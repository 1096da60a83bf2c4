// What the signed-in account may do where. The hub decides; this only spares people
// buttons that would be refused.

import { readAll, useLoad, type Loaded } from "./load.ts";
import { session, useSession } from "./session.ts";
import type { Org, Role } from "./types.ts";

const strength: Record<Role, number> = { reader: 1, writer: 2, owner: 3 };

let known: { of: string; orgs: Promise<Org[]> } | null = null;

// myOrgs are the organisations of the account, read once for each log-in.
export function myOrgs(): Promise<Org[]> {
  const s = session();
  if (!s) return Promise.resolve([]);
  if (known?.of !== s.id) {
    const orgs = readAll<Org>("/v1/orgs?page_size=100");
    known = { of: s.id, orgs };
    orgs.catch(() => forgetOrgs());
  }
  return known!.orgs;
}

export function forgetOrgs(): void {
  known = null;
}

export function useOrgs(): Loaded<Org[]> {
  const who = useSession();
  return useLoad(who ? `orgs of ${who.id}` : null, () => myOrgs());
}

export interface Rights {
  known: boolean; // false while they are read
  role: Role | null;
  may: (role: Role) => boolean;
}

// useRights are those in a namespace, as far as the account's own and its
// organisations' go.
export function useRights(namespace: string): Rights {
  const who = useSession();
  const orgs = useOrgs();
  let role: Role | null = orgs.data?.find((o) => o.name === namespace)?.role ?? null;
  if (who && (who.username === namespace || who.admin)) role = "owner";
  return {
    known: !who || role === "owner" || !orgs.loading,
    role,
    may: (need) => role !== null && strength[role] >= strength[need],
  };
}
