package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"berth/shared/client"
	"berth/shared/hub"

	"github.com/spf13/cobra"
)

// codeSource is where a repository is built from.
type codeSource struct {
	git   string
	hosts map[string]*string // by the hub's name of the Git host
	email bool
}

func (s *codeSource) flags(c *cobra.Command) {
	c.Flags().StringVar(&s.git, "git", "", "clone address of the code: https://, http:// or ssh://")
	s.hosts = map[string]*string{}
	for _, h := range []struct{ flag, name, about string }{
		{"github", hub.GitHub, "OWNER/NAME of the code on GitHub"},
		{"gitlab", hub.GitLab, "GROUP/NAME of the code on gitlab.com"},
		{"bitbucket", hub.Bitbucket, "OWNER/NAME of the code on Bitbucket"},
		{"gitee", hub.OSChina, "OWNER/NAME of the code on Gitee"},
	} {
		s.hosts[h.name] = c.Flags().String(h.flag, "", h.about)
	}
	c.Flags().BoolVar(&s.email, "email", false, "send an e-mail to whoever asked for a build, when it ends")
}

// config is the source as the hub API has it; nil where none was given.
func (s *codeSource) config() (map[string]any, error) {
	var config map[string]any
	if s.git != "" {
		config = map[string]any{"code_repo_client": hub.Simple, "code_repo_clone_url": s.git, "email_enabled": s.email}
	}
	for name, path := range s.hosts {
		if *path == "" {
			continue
		}
		if config != nil {
			return nil, wrongUse("the code is in one place: give one of --git, --github, --gitlab, --bitbucket and --gitee")
		}
		i := strings.LastIndex(*path, "/")
		if i < 0 {
			return nil, wrongUse("the code's name is OWNER/NAME, not %q", *path)
		}
		config = map[string]any{
			"code_repo_client": name, "code_repo_namespace": (*path)[:i], "code_repo_name": (*path)[i+1:], "email_enabled": s.email,
		}
	}
	return config, nil
}

// tagOptions are how a tag is built.
type tagOptions struct {
	tag, branch, gitTag, dockerfile, context string
	versions                                 oneOf
	onPush, noCache                          bool
	args, platforms, secrets                 []string
}

// versionKinds are the hub API's numbers for further tags.
var versionKinds = []string{"none", "time", "commit"}

func (t *tagOptions) flags(c *cobra.Command) {
	t.versions = oneOf{"none", versionKinds}
	f := c.Flags()
	f.StringVar(&t.tag, "tag", "latest", "tag of the image that is built")
	f.StringVar(&t.branch, "branch", "master", "branch of the code to build, or /a regular expression/ for pushes")
	f.StringVar(&t.gitTag, "git-tag", "", "tag of the code to build, instead of a branch")
	f.StringVar(&t.dockerfile, "dockerfile", "/", "folder of the Dockerfile in the code")
	f.StringVar(&t.context, "context", "/", "folder of the build context in the code")
	f.Var(&t.versions, "versions", "tag each image a second time, by the build's time or commit")
	f.BoolVar(&t.onPush, "on-push", false, "build at each push to the branch or tag")
	f.BoolVar(&t.noCache, "no-cache", false, "build everything anew each time")
	f.StringArrayVar(&t.args, "build-arg", nil, "NAME=VALUE for an ARG of the Dockerfile; may be repeated")
	f.StringSliceVar(&t.platforms, "platform", nil, "platform to build for, such as linux/arm64; may be repeated")
	f.StringSliceVar(&t.secrets, "secret", nil, "build secret of the namespace to mount; may be repeated")
}

// changes are the options that were given, as the hub API has them.
func (t *tagOptions) changes(c *cobra.Command) (map[string]any, error) {
	if c.Flags().Changed("branch") && c.Flags().Changed("git-tag") {
		return nil, wrongUse("give --branch or --git-tag, not both")
	}
	args := map[string]string{}
	for _, a := range t.args {
		name, value, ok := strings.Cut(a, "=")
		if !ok {
			return nil, wrongUse("--build-arg must be NAME=VALUE, not %q", a)
		}
		args[name] = value
	}
	all := map[string]map[string]any{
		"tag":        {"docker_repo_tag": t.tag},
		"branch":     {"code_repo_type": hub.RefBranch, "code_repo_type_value": t.branch},
		"git-tag":    {"code_repo_type": hub.RefTag, "code_repo_type_value": t.gitTag},
		"dockerfile": {"dockerfile_location": t.dockerfile},
		"context":    {"build_context_path": t.context},
		"versions":   {"version_tagging": slices.Index(versionKinds, t.versions.value)},
		"on-push":    {"is_active": t.onPush},
		"no-cache":   {"build_cache_enabled": !t.noCache},
		"build-arg":  {"build_args": args},
		"platform":   {"platforms": t.platforms},
		"secret":     {"build_secrets": t.secrets},
	}
	given := map[string]any{}
	for flag, fields := range all {
		if c.Flags().Changed(flag) {
			maps.Copy(given, fields)
		}
	}
	return given, nil
}

// writeConfig says how a repository is built, and what is to be entered at its Git host.
func writeConfig(w io.Writer, b client.BuildConfig) {
	from := b.Client + " " + b.CodePath
	if b.Client == hub.Simple {
		from = b.CodePath // an address
	}
	fmt.Fprintf(w, "\nBuilt from %s\n\n", shown(from))
	rows := [][]string{{"TAG", "FROM", "DOCKERFILE", "CONTEXT", "VERSIONS", "ON PUSH", "CACHE"}}
	for _, t := range b.Tags {
		versions := fmt.Sprint(t.Versions)
		if t.Versions >= 0 && t.Versions < len(versionKinds) {
			versions = versionKinds[t.Versions]
		}
		rows = append(rows, []string{t.Tag, t.RefType + " " + t.Ref, t.Dockerfile, t.Context, versions, yesNo(t.Active), yesNo(t.Cache)})
	}
	table(w, rows)
	writeExtras(w, b.Tags)
	writeKey(w, b)
	if b.WebhookURL != nil {
		fmt.Fprintf(w, "\nTo build at each push, enter this webhook for push events (content type JSON):\n\n")
		table(w, [][]string{{"    URL:", text(b.WebhookURL)}, {"    Secret:", text(b.WebhookSecret)}})
	}
}

// writeKey says what to do where the code is private.
func writeKey(w io.Writer, b client.BuildConfig) {
	page := ""
	switch {
	case b.Client == hub.Simple && !strings.HasPrefix(b.CodePath, "ssh:"):
		fmt.Fprint(w, "\nIf the code is private, give its ssh:// address instead: there alone a deploy key works.\n")
		return
	case b.DeployURL != nil:
		page = " at " + shown(*b.DeployURL)
	}
	fmt.Fprintf(w, "\nIf the code is private, enter this deploy key%s:\n\n%s\n", page, shown(b.PublicKey))
}

// writeExtras tells what else the builds of tags are given, where there is something.
func writeExtras(w io.Writer, tags []client.TagConfig) {
	for _, t := range tags {
		var given []string
		for _, name := range slices.Sorted(maps.Keys(t.Args)) {
			given = append(given, "--build-arg "+name+"="+t.Args[name])
		}
		for _, p := range t.Platforms {
			given = append(given, "--platform "+p)
		}
		for _, s := range t.Secrets {
			given = append(given, "--secret "+s)
		}
		if len(given) > 0 {
			fmt.Fprintf(w, "\n%s is built with %s\n", shown(t.Tag), shown(strings.Join(given, " ")))
		}
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func buildConfigCommand() *cobra.Command {
	return group(&cobra.Command{Use: "build-config", Short: "Say how a repository is built"}, buildConfigShowCommand(), buildConfigSetCommand())
}

func buildConfigShowCommand() *cobra.Command {
	a := &account{}
	return a.flags(&cobra.Command{
		Use:   "show [NAMESPACE/]NAME",
		Short: "Show how a repository is built, with its deploy key and webhook",
		Args:  arguments(1, 1, "the repository"),
		RunE: func(c *cobra.Command, args []string) error {
			h, n, err := a.asked(c, args[0])
			if err != nil {
				return err
			}
			b, err := h.BuildConfig(c.Context(), n)
			if err != nil {
				return err
			}
			return a.answer(c, b, func(w io.Writer) { writeConfig(w, b.Of) })
		},
	})
}

func buildConfigSetCommand() *cobra.Command {
	a, t, remove, email := &account{}, &tagOptions{}, false, false
	c := &cobra.Command{
		Use:   "set [NAMESPACE/]NAME",
		Short: "Change how a repository is built",
		Long: `Change how the tag that --tag names is built: what is given is changed, the rest stays.
A tag that is not built yet is added. --remove ends that it is built; the
images that it has stay.`,
		Example: `  berth repo build-config set web --on-push
  berth repo build-config set web --tag next --branch develop
  berth repo build-config set web --tag next --remove`,
		Args: arguments(1, 1, "the repository"),
		RunE: func(c *cobra.Command, args []string) error {
			changes, err := t.changes(c)
			if err != nil {
				return err
			}
			if len(changes) == 0 && !remove && !c.Flags().Changed("email") {
				return wrongUse("say what to change; `%s --help` lists what there is", c.CommandPath())
			}
			h, n, err := a.asked(c, args[0])
			if err != nil {
				return err
			}
			now, err := h.BuildConfig(c.Context(), n)
			if err != nil {
				return err
			}
			fields := map[string]any{}
			if c.Flags().Changed("email") {
				fields["email_enabled"] = email
			}
			if len(changes) > 0 || remove {
				if fields["tag_configs"], err = changedTags(now.Of.Tags, t.tag, changes, remove); err != nil {
					return fmt.Errorf("%s %w", n, err)
				}
			}
			b, err := h.UpdateBuildConfig(c.Context(), n, fields)
			if err != nil {
				return err
			}
			return a.answer(c, b, func(w io.Writer) { writeConfig(w, b.Of) })
		},
	}
	t.flags(c)
	c.Flags().BoolVar(&remove, "remove", false, "do not build the tag any more")
	c.Flags().BoolVar(&email, "email", false, "send an e-mail to whoever asked for a build, when it ends")
	return a.flags(c)
}

// changedTags is the whole new list of what is built: entries that stay are named by
// their ids alone.
func changedTags(now []client.TagConfig, tag string, changes map[string]any, remove bool) ([]any, error) {
	list, found := []any{}, false
	for _, t := range now {
		entry := map[string]any{"id": t.ID}
		if t.Tag == tag {
			if found = true; remove {
				continue
			}
			maps.Copy(entry, changes)
		}
		list = append(list, entry)
	}
	switch {
	case !found && remove:
		return nil, fmt.Errorf("builds no tag %q", tag)
	case !found:
		changes["docker_repo_tag"] = tag
		list = append(list, changes)
	}
	return list, nil
}
