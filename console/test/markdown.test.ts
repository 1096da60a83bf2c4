import assert from "node:assert/strict";
import { test } from "node:test";
import MarkdownIt from "markdown-it";
import type { ComponentChild, VNode } from "preact";
import { elements } from "../src/markdown.tsx";

// text writes elements as HTML would, to be compared.
function text(of: ComponentChild): string {
  if (Array.isArray(of)) return of.map(text).join("");
  if (typeof of === "string") return of.replaceAll("<", "‹");
  const v = of as VNode<Record<string, unknown>>;
  const { children, ...props } = v.props;
  const named = Object.entries(props).map(([k, x]) => ` ${k}=${x}`);
  return `<${v.type}${named.join("")}>${children === undefined ? "" : text(children as ComponentChild)}</${v.type}>`;
}

const made = (markdown: string) => text(elements(new MarkdownIt({ html: false, linkify: true }).parse(markdown, {}) as never) as ComponentChild);

test("Markdown becomes elements", () => {
  assert.equal(made("# A *b*"), "<h2>A <em>b</em></h2>");
  assert.equal(made("- a\n- b"), "<ul><li>a</li><li>b</li></ul>");
  assert.equal(made("|a|\n|-:|\n|`1`|"), "<table><thead><tr><th class=to-right>a</th></tr></thead><tbody><tr><td class=to-right><code>1</code></td></tr></tbody></table>");
  assert.equal(made("```sh\n<b>\n```"), "<pre tabIndex=0><code>‹b>\n</code></pre>");
});

test("links leave without telling where from, and lead to the web alone", () => {
  const props = "rel=noopener noreferrer nofollow ugc target=_blank";
  assert.equal(made("[a](https://b.example/c)"), `<p><a href=https://b.example/c ${props}>a</a></p>`);
  assert.equal(made("![p](https://b.example/p.png)"), `<p><a href=https://b.example/p.png ${props}>p</a></p>`);
  for (const bad of ["[a](javascript:alert(1))", "[a](data:text/html,x)", "[a](/console/account)", "[a](vbscript:x)", "<javascript:alert(1)>"]) {
    assert.ok(!made(bad).includes("href"), made(bad));
  }
});

test("HTML is text", () => {
  for (const bad of ["<script>alert(1)</script>", "a <img src=x onerror=alert(1)>", "<a href='javascript:alert(1)'>x</a>", "<iframe src=x></iframe>"]) {
    assert.ok(!/<(?!\/?p>)/.test(made(bad)), made(bad));
  }
});
