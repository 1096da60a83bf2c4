// Following a build: what it is, and its log line by line, until it ends.

import type { Build, LogLine } from "./types.ts";

export interface Hub {
  build(): Promise<Build>;
  lines(after: number): Promise<LogLine[]>; // of the log, after the line of that number; empty = no more yet
  wait(ms: number): Promise<void>; // resolves no sooner than the page is looked at; rejects when it is left
}

export interface Follower {
  lines(lines: LogLine[]): void;
  now(build: Build): void; // after the lines that it had by then
  lost(error: unknown): void; // no answer came, and the hub is asked again; null = it answers again
}

// How soon the hub is asked again, in milliseconds: at first, while nothing happens,
// and while it does not answer.
export const soon = 500;
export const late = 5_000;
export const patient = 30_000;

export function over(build: Build): boolean {
  return build.status !== "W" && build.status !== "I";
}

// follow returns when the build has ended and all of its log was told. An error that
// passes says is no passing one ends it too.
export async function follow(hub: Hub, f: Follower, passes: (error: unknown) => boolean): Promise<void> {
  let after = 0;
  let wait = soon;
  let silent = 0;
  for (;;) {
    const was = after;
    try {
      // The build first: what it had logged when it ended is then read below.
      const build = await hub.build();
      if (was === 0) f.now(build);
      for (;;) {
        const lines = await hub.lines(after);
        if (lines.length === 0) break;
        f.lines(lines);
        after = lines.at(-1)!.seq;
      }
      f.now(build);
      if (silent > 0) f.lost(null);
      silent = 0;
      if (over(build)) return;
      wait = after > was ? soon : Math.min(wait * 1.5, late);
    } catch (e) {
      if (!passes(e)) throw e;
      f.lost(e);
      wait = Math.min(1000 * 2 ** silent++, patient);
    }
    await hub.wait(wait);
  }
}

// shown is a line without what moves a terminal's cursor or colours its text.
export function shown(message: string): string {
  const s = message.replace(/\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]/g, "");
  const last = s.replace(/\r+$/, "").lastIndexOf("\r"); // what a terminal would have written over
  return (last >= 0 ? s.slice(last + 1) : s).replace(/[\x00-\x08\x0b-\x1f\x7f]/g, "");
}
