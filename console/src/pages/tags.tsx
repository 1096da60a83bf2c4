import { path, query, send } from "../api.ts";
import { Confirm, Search } from "../form.tsx";
import { size } from "../format.ts";
import { usePages } from "../load.ts";
import type { Rights } from "../mine.ts";
import { root, useQuery } from "../router.ts";
import { session } from "../session.ts";
import type { Repository, Tag } from "../types.ts";
import { Command, Copy, Digest, List, say, Table, Time, type Lead } from "../ui.tsx";
import { pushCommands } from "./explore.tsx";

export function tagPath(namespace: string, repo: string, tag: string): string {
  return root + path`/repositories/${namespace}/${repo}/tags/${tag}`;
}

// platforms shows the first few of them.
export function platforms(all: string[]): string {
  return all.length <= 3 ? all.join(", ") : `${all.slice(0, 3).join(", ")} and ${all.length - 3} more`;
}

export function TagList({ r, rights }: { r: Repository; rights: Rights }) {
  const [prefix, setPrefix] = useQuery("prefix");
  const list = usePages<Tag>(path`/v1/repositories/${r.namespace}/${r.repo_name}/tags` + query({ page: 1, page_size: 50, prefix }));
  const mayDelete = rights.may("writer") && !r.immutable_tags;
  return (
    <>
      <Search label="Tags that begin with" value={prefix} set={setPrefix} />
      <List of={list} empty={prefix === "" ? <NoTags r={r} rights={rights} /> : <p>No tag begins with {prefix}.</p>}>
        {(all) => (
          <Table columns={["Tag", "Digest", "Platforms", "Size", "Pushed", "Pulled", ""]} number="Size" class="tags">
            {all.map((t) => (
              <Row r={r} t={t} key={t.tag} changed={mayDelete ? list.reload : null} />
            ))}
          </Table>
        )}
      </List>
    </>
  );
}

function Row({ r, t, changed }: { r: Repository; t: Tag; changed: (() => void) | null }) {
  return (
    <tr>
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
        {changed && (
          <DeleteTag
            r={r}
            tag={t.tag}
            done={(_, told) => {
              say(told);
              changed();
            }}
          />
        )}
      </td>
    </tr>
  );
}

interface DeleteTagProps {
  r: { namespace: string; repo_name: string };
  tag: string;
  done: (lead: Lead, told: string) => void;
  button?: string;
}

export function DeleteTag({ r, tag, done, button = "Delete" }: DeleteTagProps) {
  return (
    <Confirm
      button={button}
      label={button === "Delete" ? `Delete ${tag}` : undefined}
      title={`Delete the tag ${tag}?`}
      action="Delete the tag"
      run={async (lead) => {
        await send("DELETE", path`/v1/repositories/${r.namespace}/${r.repo_name}/tags/${tag}`);
        done(lead, `The tag ${tag} is deleted`);
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
