import { query } from "../api.ts";
import type { PageProps } from "../app.tsx";
import { count } from "../format.ts";
import { useGet } from "../load.ts";
import { root } from "../router.ts";
import { session } from "../session.ts";
import type { Found } from "../types.ts";
import { Badge, Command, Load, Title } from "../ui.tsx";

const perPage = 25;

// Explore lists what the caller may read, all of it or what a search finds.
export function Explore({ at }: PageProps) {
  const q = at.query.get("q") ?? "";
  const page = Math.max(1, Number(at.query.get("page")) || 1);
  const found = useGet<Found>(`/v1/search${query({ n: perPage, page })}&q=${encodeURIComponent(q)}`);
  const title = q !== "" ? `Results for “${q}”` : session() ? "All repositories that you can see" : "Public repositories";
  return (
    <>
      <Title text={title} />
      <Load of={found}>
        {(f) => (
          <>
            {f.more && <p class="note">There are more repositories than a search looks at. Search for a longer name.</p>}
            {f.results.length === 0 ? <Nothing q={q} /> : null}
            <ul class="rows">
              {f.results.map((r) => (
                <li key={r.name}>
                  <div>
                    <a class="name" href={`${root}/repositories/${r.name}`}>
                      {r.name}
                    </a>{" "}
                    {r.is_automated && <Badge>built from Git</Badge>}
                    {r.description && <p class="about">{r.description}</p>}
                  </div>
                  <p class="facts dim">{count(r.star_count, "star")}</p>
                </li>
              ))}
            </ul>
            {f.num_pages > 1 && (
              <nav class="pager" aria-label="Pages">
                {page > 1 ? <a class="button" href={`${root}/${query({ q, page: page - 1 })}`}>← Previous</a> : <span />}
                <span>
                  Page {page} of {f.num_pages}
                </span>
                {page < f.num_pages ? <a class="button" href={`${root}/${query({ q, page: page + 1 })}`}>Next →</a> : <span />}
              </nav>
            )}
          </>
        )}
      </Load>
    </>
  );
}

function Nothing({ q }: { q: string }) {
  if (q !== "") {
    return (
      <div class="empty">
        <p>No repository that you can see has this in its name or description.</p>
        <p>
          <a href={`${root}/`}>See all</a>
          {session() ? "" : ", or sign in to search private ones too"}.
        </p>
      </div>
    );
  }
  const who = session();
  if (!who) {
    return (
      <div class="empty">
        <p>This hub has no public repositories yet. Sign in to see yours, or to make one.</p>
      </div>
    );
  }
  return (
    <div class="empty">
      <p>This hub has no repositories yet. Push an image, and its repository is made:</p>
      <Command text={pushCommands(who.username, who.username)} what="the commands" />
    </div>
  );
}

// pushCommands are what pushes a first image from a terminal.
export function pushCommands(username: string, namespace: string, repo = "hello"): string {
  const image = `${location.host}/${namespace}/${repo}:v1`;
  return `docker login ${location.host} -u ${username}\ndocker tag IMAGE ${image}\ndocker push ${image}`;
}
