import { usePages } from "../load.ts";
import type { AuditEntry } from "../types.ts";
import { List, Table, Time } from "../ui.tsx";

// Audit lists who changed what.
export function Audit({ path }: { path: string }) {
  const list = usePages<AuditEntry>(path + "?page_size=50");
  return (
    <List of={list} empty={<p>Nothing was changed yet. Whatever somebody changes stands here: who, what, when, from where.</p>}>
      {(all) => (
        <Table columns={["When", "Who", "What", "On", "From"]}>
          {all.map((e) => (
            <tr key={e.id}>
              <td>
                <Time at={e.at} />
              </td>
              <td>{e.who}</td>
              <td>
                {e.what} <span class="dim">{e.detail}</span>
              </td>
              <td>
                <code>{e.on}</code>
              </td>
              <td>
                <code>{e.from}</code>
              </td>
            </tr>
          ))}
        </Table>
      )}
    </List>
  );
}
