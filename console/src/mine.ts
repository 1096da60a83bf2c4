// What the signed-in account may do where. The hub decides; this only spares people
// buttons that would be refused.

import { path } from "./api.ts";
import { readAll, useGet, useLoad, type Loaded } from "./load.ts";
import { session, useSession } from "./session.ts";
import type { Access, Org, Role } from "./types.ts";

// strength is a role's number on the Manage API.
const strength: Record<Role, number> = { reader: 1, writer: 3, owner: 7 };

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
  may: (role: Role) => boolean;
}

// useRights are those in a namespace, or in one of its repositories. What the account's
// own namespace and its organisations give is known; the hub is asked for what was given
// in the namespaces of others and in single repositories.
export function useRights(namespace: string, repo?: string): Rights {
  const who = useSession();
  const orgs = useOrgs();
  let role: Role | null = orgs.data?.find((o) => o.name === namespace)?.role ?? null;
  if (who && (who.username === namespace || who.admin)) role = "owner";
  const more = who !== null && !orgs.loading && (repo === undefined ? role === null : role !== "owner");
  const place = path`/v2/manage/namespaces/${namespace}` + (repo === undefined ? "" : path`/repos/${repo}`);
  const given = useGet<Access>(more ? place + "/access" : null);
  const told = given.data?.self_auth.auth ?? 0;
  const everybodys = repo !== undefined && told === strength.reader; // where it is public
  const has = Math.max(role ? strength[role] : 0, everybodys ? 0 : told);
  return { may: (need) => has >= strength[need] };
}
