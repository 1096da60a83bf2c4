import { path } from "../api.ts";
import type { PageProps } from "../app.tsx";
import { command, short, size } from "../format.ts";
import { useGet } from "../load.ts";
import { useRights } from "../mine.ts";
import { root } from "../router.ts";
import type { Content, HistoryStep, WholeTag } from "../types.ts";
import { Command, Copy, Digest, leave, Load, Table, Time, Title } from "../ui.tsx";
import { repositoryPath } from "./repository.tsx";
import { DeleteTag } from "./tags.tsx";

// TagPage is what a tag points at: an image with its layers and history, or an index.
export function TagPage({ vars }: PageProps) {
  const [namespace = "", name = "", tag = ""] = vars;
  const rights = useRights(namespace);
  const r = { namespace, repo_name: name };
  const loaded = useGet<WholeTag>(path`/v1/repositories/${namespace}/${name}/tags/${tag}`);
  return (
    <>
      <Title
        text={`${namespace}/${name}:${tag}`}
        aside={rights.may("writer") && loaded.data && <DeleteTag r={r} tag={tag} button="Delete the tag" done={() => leave(`${repositoryPath(r)}/tags`, `The tag ${tag} is deleted`)} />}
      >
        <a href={`${root}${path`/namespaces/${namespace}`}`}>{namespace}</a>/<a href={repositoryPath(r)}>{name}</a>:{tag}
      </Title>
      <Load of={loaded}>{(t) => <Whole t={t} image={`${location.host}/${namespace}/${name}`} />}</Load>
    </>
  );
}

function Whole({ t, image }: { t: WholeTag; image: string }) {
  return (
    <>
      <Command text={`docker pull ${image}:${t.tag}`} what="the pull command" />
      <dl class="facts across">
        <div>
          <dt>Digest</dt>
          <dd class="digest">
            <code>{t.digest}</code> <Copy text={`${image}@${t.digest}`} what="the name with the digest" />
          </dd>
        </div>
        <div>
          <dt>Size</dt>
          <dd>{size(t.size)}</dd>
        </div>
        <div>
          <dt>Platforms</dt>
          <dd>{t.platforms.join(", ") || "none said"}</dd>
        </div>
        <div>
          <dt>Pushed</dt>
          <dd>
            <Time at={t.pushed_at} />
          </dd>
        </div>
        <div>
          <dt>Pulled</dt>
          <dd>
            <Time at={t.pulled_at} />
          </dd>
        </div>
        <div>
          <dt>Type</dt>
          <dd>
            <code>{t.media_type}</code>
          </dd>
        </div>
      </dl>
      {t.manifests.length > 0 && <Contents title="Images in this index" of={t.manifests} />}
      {t.history.length > 0 ? <History t={t} /> : t.layers.length > 0 && <Contents title="Layers" of={t.layers} />}
    </>
  );
}

function Contents({ title, of }: { title: string; of: Content[] }) {
  const platforms = of.some((c) => c.platform !== null);
  return (
    <section>
      <h2>{title}</h2>
      <Table columns={[platforms && "Platform", "Digest", "Type", "Size"]} number="Size">
        {of.map((c, i) => (
          <tr key={i}>
            {platforms && <td>{c.platform ?? "–"}</td>}
            <td>
              <Digest of={c.digest} />
            </td>
            <td>
              <code>{c.media_type}</code>
            </td>
            <td class="number">{size(c.size)}</td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

// History pairs each step that made a layer with it, the lowest first.
function History({ t }: { t: WholeTag }) {
  const rows = paired(t.history, t.layers);
  return (
    <section>
      <h2>Layers and history</h2>
      <Table columns={["Step", "Layer", "Size"]} number="Size" class="history">
        {rows.map(({ step, layer }, i) => (
          <tr key={i}>
            <td>
              {step ? <code title={step.created_at ?? undefined}>{command(step.created_by) || step.comment || "no command told"}</code> : <span class="dim">a layer that the history does not tell of</span>}
            </td>
            <td>{layer && <code title={layer.digest}>{short(layer.digest)}</code>}</td>
            <td class="number">{layer ? size(layer.size) : <span class="dim">–</span>}</td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

export function paired(history: HistoryStep[], layers: Content[]): { step?: HistoryStep; layer?: Content }[] {
  const rest = [...layers];
  const rows: { step?: HistoryStep; layer?: Content }[] = history.map((step) => ({ step, layer: step.empty_layer ? undefined : rest.shift() }));
  return [...rows, ...rest.map((layer) => ({ layer }))];
}
