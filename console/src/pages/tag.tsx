import { path, query } from "../api.ts";
import type { PageProps } from "../app.tsx";
import { command, short, size } from "../format.ts";
import { Choice } from "../form.tsx";
import { useGet } from "../load.ts";
import { useRights } from "../mine.ts";
import { root, useQuery } from "../router.ts";
import type { Content, HistoryStep, WholeTag } from "../types.ts";
import { Command, Copy, Digest, Load, Table, Time, Title } from "../ui.tsx";
import { Fact, repositoryPath } from "./repository.tsx";
import { DeleteTag } from "./tags.tsx";

// TagPage is what a tag points at: an image with its layers and history, or an index.
export function TagPage({ vars }: PageProps) {
  const [namespace = "", name = "", tag = ""] = vars;
  const rights = useRights(namespace, name);
  const r = { namespace, repo_name: name };
  const at = path`/v1/repositories/${namespace}/${name}/tags/${tag}`;
  const loaded = useGet<WholeTag>(at);
  return (
    <>
      <Title
        text={`${namespace}/${name}:${tag}`}
        aside={rights.may("writer") && loaded.data && <DeleteTag r={r} tag={tag} button="Delete the tag" done={(lead, told) => lead(`${repositoryPath(r)}/tags`, told)} />}
      >
        <a href={`${root}${path`/namespaces/${namespace}`}`}>{namespace}</a>/<a href={repositoryPath(r)}>{name}</a>:{tag}
      </Title>
      <Load of={loaded}>{(t) => <Whole t={t} at={at} image={`${location.host}/${namespace}/${name}`} />}</Load>
    </>
  );
}

function Whole({ t, at, image }: { t: WholeTag; at: string; image: string }) {
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
        <Fact name="Size">{size(t.size)}</Fact>
        <Fact name="Platforms">{t.platforms.join(", ") || "none said"}</Fact>
        <Fact name="Pushed">
          <Time at={t.pushed_at} />
        </Fact>
        <Fact name="Pulled">
          <Time at={t.pulled_at} />
        </Fact>
        <Fact name="Type">
          <code>{t.media_type}</code>
        </Fact>
        <Config of={t.config} />
      </dl>
      {t.manifests.length > 0 && (
        <>
          <Contents title="Images in this index" of={t.manifests} size="Manifest" />
          <Image of={t.manifests} at={at} />
        </>
      )}
      <Layers t={t} />
    </>
  );
}

// Image is one of an index's, as the reader chooses: the first one to begin with.
function Image({ of, at }: { of: Content[]; at: string }) {
  const [asked, ask] = useQuery("image");
  const chosen = of.find((c) => c.digest === asked) ?? of[0]!;
  const loaded = useGet<WholeTag>(at + query({ digest: chosen.digest }));
  return (
    <section>
      <h2>One of its images</h2>
      <Choice label="Platform" value={chosen.digest} set={ask} of={of.map((c) => [c.digest, `${c.platform ?? "none said"}, ${short(c.digest)}`])} />
      <Load of={loaded}>
        {(t) => (
          <>
            <dl class="facts across">
              <Fact name="Size">{size(t.size)}</Fact>
              <Config of={t.config} />
            </dl>
            {t.manifests.length > 0 && <Contents title="Images in it" of={t.manifests} size="Manifest" />}
            <Layers t={t} />
          </>
        )}
      </Load>
    </section>
  );
}

function Config({ of }: { of: Content | null }) {
  if (of === null) return null;
  return (
    <Fact name="Configuration">
      <Digest of={of.digest} />
    </Fact>
  );
}

function Layers({ t }: { t: WholeTag }) {
  if (t.history.length > 0) return <History t={t} />;
  return t.layers.length > 0 ? <Contents title="Layers" of={t.layers} /> : null;
}

function Contents({ title, of, size: sized = "Size" }: { title: string; of: Content[]; size?: string }) {
  const platforms = of.some((c) => c.platform !== null);
  return (
    <section>
      <h2>{title}</h2>
      <Table columns={[platforms && "Platform", "Digest", "Type", sized]} number={sized}>
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
