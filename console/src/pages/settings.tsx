import { useState } from "preact/hooks";
import { path, send } from "../api.ts";
import { Area, Check, Choice, Confirm, Form, Input } from "../form.tsx";
import type { Rights } from "../mine.ts";
import { root } from "../router.ts";
import type { Repository } from "../types.ts";
import { say } from "../ui.tsx";
import { Description } from "./repository.tsx";

export const categories: [string, string][] = ["app_server", "linux", "framework_app", "database", "lang", "other", "windows", "arms"].map((c) => [c, c.replace("_", " ")]);

// Settings of a repository: writers describe it, owners do the rest.
export function Settings({ r, rights, changed }: { r: Repository; rights: Rights; changed: () => void }) {
  const at = path`/v1/repositories/${r.namespace}/${r.repo_name}`;
  return (
    <>
      <About r={r} at={at} changed={changed} />
      {rights.may("owner") && (
        <>
          <Access r={r} at={at} changed={changed} />
          <section class="ends">
            <h2>Delete the repository</h2>
            <p>Its tags, images, build configuration and builds go with it. Nobody can bring them back.</p>
            <Confirm
              button="Delete the repository"
              title={`Delete ${r.repo_path}?`}
              action="Delete it for ever"
              type={r.repo_path}
              run={async (lead) => {
                await send("DELETE", at);
                lead(`${root}${path`/namespaces/${r.namespace}`}`, `${r.repo_path} is deleted`);
              }}
            >
              <p>All tags and images of {r.repo_path} are deleted, at once and for ever. Whatever pulls them fails.</p>
            </Confirm>
          </section>
        </>
      )}
    </>
  );
}

interface PartProps {
  r: Repository;
  at: string;
  changed: () => void;
}

function About({ r, at, changed }: PartProps) {
  const [description, setDescription] = useState(r.description);
  const [full, setFull] = useState(r.full_description);
  const [category, setCategory] = useState(r.category);
  const [preview, setPreview] = useState(false);
  return (
    <section>
      <h2>Description</h2>
      <Form
        action="Save"
        run={async () => {
          await send("PUT", at, { description, full_description: full, category });
          say("Saved");
          changed();
        }}
      >
        <Input label="In one line" value={description} set={setDescription} maxLength={100} />
        <Choice label="Category" value={category} set={setCategory} of={categories.some(([c]) => c === category) ? categories : [...categories, [category, category]]} />
        <Area label="In full" value={full} set={setFull} rows={14} hint="Markdown, up to 64 KiB." />
        <p>
          <button type="button" aria-expanded={preview} onClick={() => setPreview(!preview)}>
            {preview ? "Hide the preview" : "Preview"}
          </button>
        </p>
        {preview && <Description text={full} />}
      </Form>
    </section>
  );
}

function Access({ r, at, changed }: PartProps) {
  const [open, setOpen] = useState(r.is_public);
  const [fixed, setFixed] = useState(r.immutable_tags);
  return (
    <section>
      <h2>Access</h2>
      <Form
        action="Save"
        run={async () => {
          await send("PUT", at, { is_public: open, immutable_tags: fixed });
          say("Saved");
          changed();
        }}
      >
        <Check label="Public" value={open} set={setOpen} hint="Anybody can see and pull it, also without an account." />
        {open && !r.is_public && <p class="warning">It is private now. Once it is public, assume that what is in it has been seen.</p>}
        <Check label="Immutable tags" value={fixed} set={setFixed} hint="A tag stays at the image that it was first pushed for, and cannot be deleted." />
      </Form>
    </section>
  );
}
