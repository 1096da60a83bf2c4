import { path, send } from "../api.ts";
import { Confirm } from "../form.tsx";
import { size } from "../format.ts";
import { usePages } from "../load.ts";
import type { Rights } from "../mine.ts";
import { root } from "../router.ts";
import { session } from "../session.ts";
import type { Repository, Tag } from "../types.ts";
import { Command, Copy, Digest, List, say, Table, Time } from "../ui.tsx";
import { pushCommands } from "./explore.tsx";

export function tagPath(namespace: string, repo: string, tag: string): string {
  return root + path`/repositories/${namespace}/${repo}/tags/${tag}`;
}

// platforms shows the first few of them.
export function platforms(all: string[]): string {
  return all.length <= 3 ? all.join(", ") : `${all.slice(0, 3).join(", ")} and ${all.length - 3} more`;
}

export function TagList({ r, rights }: { r: Repository; rights: Rights }) {
  const list = usePages<Tag>(path`/v1/repositories/${r.namespace}/${r.repo_name}/tags` + "?page=1&page_size=50");
  const mayDelete = rights.may("writer") && !r.immutable_tags;
  return (
    <List of={list} empty={<NoTags r={r} rights={rights} />}>
      {(all) => (
        <Table columns={["Tag", "Digest", "Platforms", "Size", "Pushed", "Pulled", ""]} number="Size" class="tags">
          {all.map((t) => (
            <tr key={t.tag}>
              <td>
                <a class="name" href={tagPath(r.namespace, r.repo_name, t.tag)}>
                  {t.tag}
                </a>
              </td>
              <td>
                <Digest of={t.digest} />
              </td>
              <td title={t.platforms.join(", ")}>{platforms(t.platforms)}</td>
              <td class="number">{size(t.size)}</td>
              <td>
                <Time at={t.pushed_at} />
              </td>
              <td>
                <Time at={t.pulled_at} />
              </td>
              <td class="end">
                <Copy text={`docker pull ${location.host}/${r.repo_path}:${t.tag}`} what={`the command that pulls ${t.tag}`} name="Copy pull" />
                {mayDelete && <DeleteTag r={r} tag={t.tag} done={list.reload} />}
              </td>
            </tr>
          ))}
        </Table>
      )}
    </List>
  );
}

export function DeleteTag({ r, tag, done, button = "Delete" }: { r: { namespace: string; repo_name: string }; tag: string; done: () => void; button?: string }) {
  return (
    <Confirm
      button={button}
      label={button === "Delete" ? `Delete ${tag}` : undefined}
      title={`Delete the tag ${tag}?`}
      action="Delete the tag"
      run={async () => {
        await send("DELETE", path`/v1/repositories/${r.namespace}/${r.repo_name}/tags/${tag}`);
        say(`The tag ${tag} is deleted`);
        done();
      }}
    >
      <p>
        Whatever pulls{" "}
        <code>
          {r.namespace}/{r.repo_name}:{tag}
        </code>{" "}
        fails from now on. Other tags of the same image stay.
      </p>
    </Confirm>
  );
}

function NoTags({ r, rights }: { r: Repository; rights: Rights }) {
  if (!rights.may("writer")) return <p>It has no tags yet.</p>;
  return (
    <>
      <p>It has no tags yet. Push one:</p>
      <Command text={pushCommands(session()?.username ?? "", r.namespace, r.repo_name)} what="the commands" />
    </>
  );
}
