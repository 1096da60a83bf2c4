// Keys that lead somewhere, as long as nothing is being written.

import { useEffect, useState } from "preact/hooks";
import { Dialog } from "./form.tsx";
import { go, root } from "./router.ts";
import { session } from "./session.ts";

const places: [key: string, name: string, to: () => string][] = [
  ["e", "Explore", () => `${root}/`],
  ["r", "Your repositories", () => (session() ? `${root}/namespaces/${session()!.username}` : `${root}/`)],
  ["b", "Your builds", () => `${root}/builds`],
  ["o", "Organisations", () => `${root}/organisations`],
  ["t", "Access tokens", () => `${root}/account/tokens`],
];

// keys listens until what it returns is called.
export function keys(): () => void {
  let begun = 0; // when g was pressed
  const pressed = (e: KeyboardEvent) => {
    const at = e.target instanceof HTMLElement ? e.target : document.body;
    if (e.ctrlKey || e.metaKey || e.altKey || at.closest("input, textarea, select, dialog")) return;
    const follows = e.timeStamp - begun < 1500;
    begun = e.key === "g" ? e.timeStamp : 0;
    const to = follows && places.find(([key]) => key === e.key);
    if (to) go(to[2]());
    else if (e.key === "n" && session()) go(`${root}/new`);
    else if (e.key === "/") document.getElementById("search")?.focus();
    else if (e.key === "?") dispatchEvent(new Event("berth-keys"));
    else return;
    e.preventDefault();
  };
  addEventListener("keydown", pressed);
  return () => removeEventListener("keydown", pressed);
}

export function Keys() {
  const [open, set] = useState(false);
  useEffect(() => {
    const show = () => set(true);
    addEventListener("berth-keys", show);
    return () => removeEventListener("berth-keys", show);
  }, []);
  if (!open) return null;
  const all = [["/", "Search"], ["n", "New repository"], ...places.map(([key, name]) => [`g ${key}`, name]), ["?", "These keys"]];
  return (
    <Dialog title="Keyboard" close={() => set(false)}>
      <dl class="facts">
        {all.map(([key, name]) => (
          <div key={key}>
            <dt>
              {key!.split(" ").map((k) => (
                <kbd key={k}>{k}</kbd>
              ))}
            </dt>
            <dd>{name}</dd>
          </div>
        ))}
      </dl>
      <div class="actions">
        <button type="button" onClick={() => set(false)}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
