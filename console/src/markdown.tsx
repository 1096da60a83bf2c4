// Descriptions in Markdown. The parser's tokens become elements one by one, and no
// HTML is made of anybody's text. Pictures of other hosts would tell those who looks
// at the page, so they are links.

import MarkdownIt, { type Token } from "markdown-it";
import { h, type ComponentChild } from "preact";
import { isWeb } from "./ui.tsx";

const parser = new MarkdownIt({ html: false, linkify: true });

// tags are what may come of a token.
const tags = new Set(
  "p h1 h2 h3 h4 h5 h6 ul ol li blockquote strong em s code pre hr br table thead tbody tr th td a".split(" "),
);

export function Markdown({ text }: { text: string }) {
  return <div class="markdown">{elements(parser.parse(text, {}))}</div>;
}

export function elements(tokens: Token[]): ComponentChild[] {
  const out: ComponentChild[] = [];
  const open: { tag: string; props: Record<string, unknown>; children: ComponentChild[] }[] = [];
  const add = (...c: ComponentChild[]) => (open.at(-1)?.children ?? out).push(...c);
  for (const t of tokens) {
    switch (t.type) {
      case "inline":
        add(...elements(t.children ?? []));
        continue;
      case "text":
        add(t.content);
        continue;
      case "softbreak":
        add("\n");
        continue;
      case "code_inline":
        add(h("code", null, t.content));
        continue;
      case "code_block":
      case "fence":
        add(h("pre", { tabIndex: 0 }, h("code", null, t.content)));
        continue;
      case "image":
        add(link(t.attrGet("src"), [t.content || t.attrGet("src") || "picture"]));
        continue;
    }
    if (t.hidden || !tags.has(t.tag)) continue;
    if (t.nesting === 1) {
      open.push({ tag: t.tag, props: t.tag === "a" ? { href: t.attrGet("href") } : attributes(t), children: [] });
    } else if (t.nesting === -1) {
      const done = open.pop();
      if (done) add(done.tag === "a" ? link(done.props.href, done.children) : h(lower(done.tag), done.props, done.children));
    } else {
      add(h(t.tag, null));
    }
  }
  return out;
}

// lower puts a description's headings below the page's own.
function lower(tag: string): string {
  const level = /^h([1-6])$/.exec(tag)?.[1];
  return level ? `h${Math.min(6, Number(level) + 1)}` : tag;
}

function attributes(t: Token): Record<string, unknown> {
  const align = /text-align:(left|right|center)/.exec(String(t.attrGet("style") ?? ""))?.[1];
  const start = t.attrGet("start");
  return { ...(align && { class: `to-${align}` }), ...(start && { start: Number(start) }) };
}

function link(to: unknown, children: ComponentChild[]): ComponentChild {
  const address = typeof to === "string" ? to : "";
  if (!isWeb(address) && !/^mailto:/i.test(address)) return h("span", null, children);
  return h("a", { href: address, rel: "noopener noreferrer nofollow ugc", target: "_blank" }, children);
}
