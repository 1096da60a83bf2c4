import { useState } from "preact/hooks";
import { path, send } from "../api.ts";
import type { PageProps } from "../app.tsx";
import { Check, Choice, Form, Input } from "../form.tsx";
import { useOrgs } from "../mine.ts";
import { session } from "../session.ts";
import type { Repository } from "../types.ts";
import { Load, Title } from "../ui.tsx";
import { repositoryPath } from "./repository.tsx";
import { draftOf, newTagConfig, TagFields, written } from "./tagconfig.tsx";

const hosts: [string, string][] = [
  ["GitHub", "GitHub"],
  ["GitLab", "GitLab"],
  ["Bitbucket", "Bitbucket"],
  ["OSChina", "Gitee"],
  ["Simple", "another, by its clone address"],
];

// ownerAndName are those of a repository at a Git host, also where its address was pasted.
export function ownerAndName(code: string): { code_repo_namespace: string; code_repo_name: string } {
  const at = code.trim().replace(/^(?:[a-z]+:\/\/[^/]*\/|[^@/:]+@[^/:]+:)/i, "").replace(/\/+$|\.git\/*$/, "");
  const cut = at.lastIndexOf("/");
  return { code_repo_namespace: at.slice(0, Math.max(0, cut)), code_repo_name: at.slice(cut + 1) };
}

// NewRepository makes a repository, and says how it is built if it is built from Git.
export function NewRepository({ at }: PageProps) {
  const orgs = useOrgs();
  const own = session()!.username;
  const asked = at.query.get("namespace");
  return (
    <div class="narrow">
      <Title text="New repository" />
      <Load of={orgs}>
        {(all) => {
          const names = [own, ...all.filter((o) => o.role !== "reader").map((o) => o.name)];
          if (asked !== null && !names.includes(asked)) names.push(asked); // the hub says whether it may be
          return <Fields names={names} first={asked ?? own} git={at.query.get("git") !== null} />;
        }}
      </Load>
    </div>
  );
}

function Fields({ names, first, git: fromGit }: { names: string[]; first: string; git: boolean }) {
  const [namespace, setNamespace] = useState(first);
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const [open, setOpen] = useState(false);
  const [git, setGit] = useState(fromGit);
  const [host, setHost] = useState("GitHub");
  const [code, setCode] = useState("");
  const [tag, setTag] = useState(draftOf(newTagConfig()));
  const simple = host === "Simple";
  const build_config = () => {
    return {
      code_repo_client: host,
      ...(simple ? { code_repo_clone_url: code.trim() } : ownerAndName(code)),
      tag_configs: [written(tag)],
    };
  };
  return (
    <Form
      action="Make the repository"
      run={async (lead) => {
        const r = await send<Repository>("POST", path`/v1/repositories/${namespace}`, {
          repo_name: name,
          description,
          is_public: open,
          build_config: git ? build_config() : undefined,
        });
        lead(repositoryPath(r) + (git ? "/build-config" : ""), `${r.repo_path} is made`);
      }}
    >
      <Choice label="Namespace" value={namespace} set={setNamespace} of={names.map((n) => [n, n])} />
      <Input label="Name" value={name} set={setName} required maxLength={128} autoComplete="off" autoFocus hint="Small letters and digits, with . _ or - between them." />
      <Input label="Description" value={description} set={setDescription} maxLength={100} hint="One line; a long one in Markdown comes later." />
      <Check label="Public" value={open} set={setOpen} hint="Anybody can see and pull it, also without an account." />
      <Check label="Built from Git" value={git} set={setGit} hint="The hub clones the code and builds the image itself, by hand or at every push." />
      {git && (
        <fieldset>
          <legend>The code</legend>
          <Choice label="Git host" value={host} set={setHost} of={hosts} />
          <Input
            label={simple ? "Clone address" : "Code repository"}
            value={code}
            set={setCode}
            required
            placeholder={simple ? "https://git.example.com/web.git" : "acme/web"}
            hint={simple ? "https:// or ssh://, without a user name or password; private code is read with a deploy key." : "As it is called there, owner and name, or its address."}
          />
          <TagFields of={tag} set={setTag} />
        </fieldset>
      )}
    </Form>
  );
}
