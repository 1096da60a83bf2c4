import assert from "node:assert/strict";
import { test } from "node:test";
import { follow, late, shown, soon, type Hub } from "../src/follow.ts";
import type { Build, BuildStatus, LogLine } from "../src/types.ts";

const line = (seq: number): LogLine => ({ seq, message: `line ${seq}`, level: "INFO", time: 0, continued: false });

// A hub whose build goes on with each time that it is asked: its status, and how many
// lines its log has by then; a number below none is an error that passes.
function hub(life: [BuildStatus, number][]) {
  let at = -1;
  const waits: number[] = [];
  const of: Hub = {
    build: async () => {
      at = Math.min(at + 1, life.length - 1);
      if (life[at]![1] < 0) throw new Error("no answer");
      return { status: life[at]![0] } as Build;
    },
    lines: async (after) => {
      const there = life[at]![1];
      return Array.from({ length: Math.min(3, Math.max(0, there - after)) }, (_, i) => line(after + i + 1));
    },
    wait: async (ms) => void waits.push(ms),
  };
  return { of, waits };
}

async function watch(life: [BuildStatus, number][]) {
  const h = hub(life);
  const seen: number[] = [];
  const states: string[] = [];
  const lost: boolean[] = [];
  await follow(
    h.of,
    { lines: (l) => seen.push(...l.map((x) => x.seq)), now: (b) => states.push(`${b.status}${seen.length}`), lost: (e) => lost.push(e !== null) },
    (e) => (e as Error).message === "no answer",
  );
  return { seen, states, lost, waits: h.waits };
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

test("each line once and in order, the last ones too", async () => {
  const w = await watch([["W", 0], ["I", 2], ["I", 9], ["S", 10]]);
  assert.deepEqual(w.seen, upTo(10));
  assert.equal(w.states.at(-1), "S10");
});

test("a quiet build is asked ever more seldom, a loud one soon", async () => {
  const w = await watch([...Array.from({ length: 12 }, (): [BuildStatus, number] => ["I", 0]), ["I", 1], ["S", 1]]);
  assert.ok(w.waits.every((ms, i) => i === 0 || i === 12 || ms >= w.waits[i - 1]!), String(w.waits));
  assert.equal(w.waits[11], late);
  assert.equal(w.waits[12], soon);
});

test("nothing is lost or told twice when the hub does not answer for a while", async () => {
  const w = await watch([["I", 4], ["I", -1], ["I", -1], ["I", -1], ["I", 7], ["F", 8]]);
  assert.deepEqual(w.seen, upTo(8));
  assert.deepEqual(w.lost, [true, true, true, false]);
  assert.deepEqual(w.waits.slice(1, 4), [1000, 2000, 4000]);
});

test("an error that does not pass ends it", async () => {
  const h = hub([["I", 1]]);
  h.of.lines = () => Promise.reject(new Error("not yours"));
  await assert.rejects(follow(h.of, { lines() {}, now() {}, lost() {} }, (e) => (e as Error).message === "no answer"), /not yours/);
});

test("lines are shown as a terminal would leave them", () => {
  for (const [is, want] of [
    ["plain\ttext ü 界", "plain\ttext ü 界"],
    ["\x1b[31mred\x1b[0m \x1b[1;32mgreen\x1b[m", "red green"],
    ["10 %\r50 %\r100 %", "100 %"],
    ["a line of Windows\r", "a line of Windows"],
    ["\x1b]8;;http://x\x07link\x1b]8;;\x07", "link"],
    ["bell\x07 and \x00nothing", "bell and nothing"],
    ["<script>alert(1)</script>", "<script>alert(1)</script>"],
  ] as const) {
    assert.equal(shown(is), want);
  }
});
