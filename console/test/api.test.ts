import assert from "node:assert/strict";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { get, local, nextLink, passing, path, query, Refused } from "../src/api.ts";
import { ownerAndName } from "../src/pages/new.tsx";
import { pairs, words } from "../src/pages/tagconfig.tsx";
import { paired } from "../src/pages/tag.tsx";
import { back } from "../src/router.ts";

test("pages are asked of where the console came from, whatever the hub calls itself", () => {
  assert.equal(local("https://hub.example.com/v1/orgs?page=2&cursor=abc"), "/v1/orgs?page=2&cursor=abc");
  assert.equal(local("/v1/orgs"), "/v1/orgs");
  assert.equal(nextLink('<https://hub.example/v1/x?page=1>; rel="prev", <https://hub.example/v1/x?page=3>; rel="next"'), "/v1/x?page=3");
  assert.equal(nextLink('<https://hub.example/v1/x?page=1>; rel="prev"'), null);
  assert.equal(nextLink(null), null);
});

test("what people write stays within its part of a path", () => {
  assert.equal(path`/v1/orgs/${"a/../b?c#d"}/members/${"é"}`, "/v1/orgs/a%2F..%2Fb%3Fc%23d/members/%C3%A9");
  for (const dots of [".", ".."]) {
    assert.ok(new URL(path`/v1/orgs/acme/members/${dots}`, "http://hub.invalid").pathname.startsWith("/v1/orgs/acme/members/"), dots);
  }
  assert.equal(query({ q: "a&b=c", page: 2, none: undefined, empty: "" }), "?q=a%26b%3Dc&page=2");
  assert.equal(query({}), "");
});

test("signing in leads back into the console and nowhere else", () => {
  assert.equal(back("/console/builds/1?x=2"), "/console/builds/1?x=2");
  for (const bad of [null, "", "https://evil.example/", "//evil.example", "/console//evil.example", "/console/\\evil", "/consoles", "javascript:alert(1)"]) {
    assert.equal(back(bad), "/console/", String(bad));
  }
});

test("lists that are written as text", () => {
  assert.deepEqual(pairs("A=1\n\n B = x=y \nC"), { A: "1", B: " x=y ", C: "" });
  assert.deepEqual(words(" linux/amd64, linux/arm64\nlinux/arm/v7 "), ["linux/amd64", "linux/arm64", "linux/arm/v7"]);
});

test("code is named, or its address pasted", () => {
  for (const code of ["acme/web", " https://github.com/acme/web ", "https://github.com/acme/web.git", "https://github.com/acme/web/", "git@github.com:acme/web.git", "ssh://git@github.com/acme/web.git"]) {
    assert.deepEqual(ownerAndName(code), { code_repo_namespace: "acme", code_repo_name: "web" }, code);
  }
  assert.deepEqual(ownerAndName("https://gitlab.com/acme/sub/web"), { code_repo_namespace: "acme/sub", code_repo_name: "web" });
  assert.deepEqual(ownerAndName("web"), { code_repo_namespace: "", code_repo_name: "web" });
});

test("steps that made a layer stand beside it", () => {
  const layer = (digest: string) => ({ digest, media_type: "", size: 1, platform: null });
  const step = (created_by: string, empty_layer: boolean) => ({ created_by, empty_layer, created_at: null, author: "", comment: "" });
  const rows = paired([step("ADD", false), step("ENV", true), step("RUN", false)], [layer("a"), layer("b"), layer("c")]);
  assert.deepEqual(
    rows.map((r) => [r.step?.created_by, r.layer?.digest]),
    [["ADD", "a"], ["ENV", undefined], ["RUN", "b"], [undefined, "c"]],
  );
});

// refused is what becomes of an answer that a server gives.
async function refused(answer: (w: ServerResponse) => void): Promise<Refused> {
  const server = createServer((_, w) => answer(w)).listen(0, "127.0.0.1");
  await new Promise((up) => server.once("listening", up));
  try {
    await get(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/builds`);
  } catch (e) {
    assert.ok(e instanceof Refused, String(e));
    return e;
  } finally {
    server.close();
  }
  throw new Error("it is not refused");
}

test("an answer that breaks off is none, and may come whole the next time", async () => {
  for (const answer of [
    (w: ServerResponse) => w.destroy(),
    (w: ServerResponse) => {
      w.writeHead(200, { "Content-Length": "1000" });
      w.write("[", () => w.destroy());
    },
  ]) {
    const e = await refused(answer);
    assert.equal(e.status, 0, e.message);
    assert.ok(passing(e));
  }
});

test("refusals are told in the hub's words, and in plain ones where another answers", async () => {
  const e = await refused((w) => w.writeHead(403).end('{"errors":[{"code":"denied","message":"you may not"}]}'));
  assert.deepEqual([e.status, e.code, e.message, passing(e)], [403, "denied", "you may not.", false]);
  const other = await refused((w) => w.writeHead(502, { "Retry-After": "7" }).end("<html>"));
  assert.deepEqual([other.status, other.message, other.wait, passing(other)], [502, "The hub answered 502 Bad Gateway.", 7, true]);
});
