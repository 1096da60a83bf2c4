// How numbers and times are shown.

const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];

export function size(bytes: number): string {
  let n = bytes;
  let u = 0;
  while (n >= 1024 && u < units.length - 1) {
    n /= 1024;
    u++;
  }
  if (u === 0) return n === 1 ? "1 byte" : `${n} bytes`;
  if (n >= 1023.5 && u < units.length - 1) return `1.0 ${units[u + 1]}`;
  return `${n < 9.95 ? n.toFixed(1) : Math.round(n)} ${units[u]}`;
}

// bytes reads what size writes, and plain numbers; NaN for anything else.
export function bytes(text: string): number {
  const m = /^\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b|bytes?)?\s*$/i.exec(text);
  if (!m) return NaN;
  return Math.round(Number(m[1]) * 1024 ** ["", "k", "m", "g", "t"].indexOf(m[2]!.toLowerCase()));
}

// written is a size as bytes reads it back, to the byte.
export function written(n: number): string {
  return bytes(size(n)) === n ? size(n) : String(n);
}

const steps: [seconds: number, name: string][] = [
  [365.25 * 86400, "year"],
  [30.44 * 86400, "month"],
  [86400, "day"],
  [3600, "hour"],
  [60, "minute"],
];

// ago is how far a time lies back, or ahead, in words.
export function ago(time: string, now = Date.now()): string {
  const seconds = (now - Date.parse(time)) / 1000;
  for (const [length, name] of steps) {
    const n = Math.floor(Math.abs(seconds) / length);
    if (n >= 1) {
      const words = `${n} ${name}${n === 1 ? "" : "s"}`;
      return seconds < 0 ? `in ${words}` : `${words} ago`;
    }
  }
  return seconds < -5 ? "in a moment" : "just now";
}

export function fullTime(time: string): string {
  return time.replace("T", " ").replace(/(\.\d+)?Z$/, " UTC");
}

// duration is the time between two, as 1 h 02 min, 3 min 07 s or 12 s.
export function duration(from: string, to: string | number): string {
  const end = typeof to === "number" ? to : Date.parse(to);
  const s = Math.max(0, Math.round((end - Date.parse(from)) / 1000));
  const two = (n: number) => String(n).padStart(2, "0");
  if (s >= 3600) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`;
  if (s >= 60) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  return `${s} s`;
}

export function count(n: number, one: string, many = one + "s"): string {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}

// short is a digest or commit id cut to what people compare.
export function short(id: string): string {
  return id.replace(/^(sha\d+):/, "").slice(0, 12);
}

// command is a step of an image's history without what its builder put around it.
export function command(s: string): string {
  return s
    .replace(/^\/bin\/sh -c #\(nop\)\s*/, "")
    .replace(/^\/bin\/sh -c /, "RUN ")
    .replace(/\s+# buildkit$/, "")
    .replace(/^RUN \/bin\/sh -c /, "RUN ")
    .trim();
}
