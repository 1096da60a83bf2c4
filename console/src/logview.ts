// The lines of a log on the page. They are only ever added, some hundred at a time and
// without the framework's help, and the browser lays out what is seen: a hundred
// thousand lines cost what a screen of them costs.

import type { LogLine } from "./types.ts";
import { shown } from "./follow.ts";

export const chunkLines = 500;
export const mostLines = 100_000;
export const mostCharacters = 32 << 20;

interface Chunk {
  element: HTMLElement;
  lines: number;
  characters: number;
}

export class LogView {
  private chunks: Chunk[] = [];
  private lines = 0;
  private characters = 0;
  private begun = false; // the last entry goes on in the next one
  dropped = 0; // lines that were taken away at the top

  // box scrolls; inside it, body takes the lines.
  constructor(
    private box: HTMLElement,
    private body: HTMLElement,
  ) {}

  // add appends lines, and stays at the end if the end was in sight.
  add(lines: LogLine[]): void {
    const end = this.atEnd();
    for (let i = 0; i < lines.length; ) {
      const chunk = this.open();
      const n = Math.max(1, Math.min(chunkLines - chunk.lines, lines.length - i));
      this.fill(chunk, lines.slice(i, i + n));
      i += n;
    }
    while (this.chunks.length > 1 && (this.lines > mostLines || this.characters > mostCharacters)) this.drop();
    if (end) this.toEnd();
  }

  atEnd(): boolean {
    return this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < 40;
  }

  toEnd(): void {
    this.box.scrollTop = this.box.scrollHeight;
  }

  private open(): Chunk {
    const last = this.chunks.at(-1);
    if (last && (last.lines < chunkLines || this.begun)) return last;
    const chunk = { element: document.createElement("div"), lines: 0, characters: 0 };
    chunk.element.className = "chunk";
    this.body.append(chunk.element);
    this.chunks.push(chunk);
    return chunk;
  }

  // fill writes lines of one level as one text.
  private fill(chunk: Chunk, lines: LogLine[]): void {
    let text = "";
    let level = "INFO";
    const flush = () => {
      if (text === "") return;
      if (level === "INFO") chunk.element.append(text);
      else {
        const span = document.createElement("span");
        span.className = level === "ERROR" ? "error" : "warn";
        span.textContent = text;
        chunk.element.append(span);
      }
      chunk.characters += text.length;
      this.characters += text.length;
      text = "";
    };
    for (const l of lines) {
      if (l.level !== level) {
        flush();
        level = l.level;
      }
      text += shown(l.message) + (l.continued ? "" : "\n");
      this.begun = l.continued;
      chunk.lines++;
    }
    flush();
    this.lines += lines.length;
  }

  private drop(): void {
    const first = this.chunks.shift()!;
    first.element.remove();
    this.lines -= first.lines;
    this.characters -= first.characters;
    this.dropped += first.lines;
  }
}
