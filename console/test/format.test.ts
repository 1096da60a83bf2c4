import assert from "node:assert/strict";
import { test } from "node:test";
import { ago, bytes, command, duration, short, size, written } from "../src/format.ts";

test("sizes", () => {
  for (const [n, want] of [
    [0, "0 bytes"],
    [1, "1 byte"],
    [1023, "1023 bytes"],
    [1024, "1.0 KiB"],
    [10188, "9.9 KiB"],
    [10240, "10 KiB"],
    [1048575, "1.0 MiB"],
    [5 * 1024 ** 3, "5.0 GiB"],
    [3000 * 1024 ** 4, "3000 TiB"],
  ] as const) {
    assert.equal(size(n), want);
  }
  for (const [text, want] of [
    ["20 GiB", 20 * 1024 ** 3],
    ["1.5m", 1.5 * 1024 ** 2],
    [" 12 bytes ", 12],
    ["7", 7],
    ["much", NaN],
    ["-1", NaN],
  ] as const) {
    assert.deepEqual(bytes(text), want);
  }
  for (const n of [0, 1, 500, 1000, 1_000_000_000, 20 * 1024 ** 3, 1_234_567_890, 1.5 * 1024 ** 4]) {
    assert.equal(bytes(written(n)), n, "a limit that is only looked at stays what it is");
  }
});

test("times", () => {
  const now = Date.parse("2026-03-01T12:00:00.000Z");
  for (const [at, want] of [
    ["2026-03-01T11:59:30.000Z", "just now"],
    ["2026-03-01T11:58:59.000Z", "1 minute ago"],
    ["2026-03-01T10:00:00.000Z", "2 hours ago"],
    ["2026-02-27T12:00:00.000Z", "2 days ago"],
    ["2024-01-01T00:00:00.000Z", "2 years ago"],
    ["2026-03-02T12:00:00.000Z", "in 1 day"],
    ["2026-03-01T12:00:02.000Z", "just now"],
  ] as const) {
    assert.equal(ago(at, now), want, at);
  }
  assert.equal(duration("2026-03-01T12:00:00.000Z", "2026-03-01T12:00:12.400Z"), "12 s");
  assert.equal(duration("2026-03-01T12:00:00.000Z", "2026-03-01T12:03:07.000Z"), "3 min 07 s");
  assert.equal(duration("2026-03-01T12:00:00.000Z", now + 3720_000), "1 h 02 min");
  assert.equal(duration("2026-03-01T12:00:01.000Z", now), "0 s", "clocks that differ");
});

test("what builders wrote", () => {
  assert.equal(short("sha256:0123456789abcdef"), "0123456789ab");
  assert.equal(command("/bin/sh -c #(nop)  CMD [\"x\"]"), 'CMD ["x"]');
  assert.equal(command("RUN /bin/sh -c make # buildkit"), "RUN make");
  assert.equal(command("/bin/sh -c make"), "RUN make");
});
