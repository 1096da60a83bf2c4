package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/client"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/storage/memory"

	"berth/shared/hub"
)

// transports lets Git reach https, http and ssh, each connection held against the
// rule about addresses, and nothing else: no files, no helper programs. They are
// the process's: a process runs one build.
func (r *run) transports() error {
	web := &http.Client{Transport: &http.Transport{DialContext: r.guard.DialContext, ForceAttemptHTTP2: true}}
	ssh, err := newSSH(r)
	if err != nil {
		return err
	}
	client.InstallProtocol("https", githttp.NewClient(web))
	client.InstallProtocol("http", githttp.NewClient(web))
	client.InstallProtocol("ssh", ssh)
	client.InstallProtocol("file", nil)
	client.InstallProtocol("git", nil)
	return nil
}

// clone fetches the code into dir and checks the wanted commit out, whose id it
// returns.
func (r *run) clone(ctx context.Context, dir string) (commit string, err error) {
	if err := r.transports(); err != nil {
		return "", err
	}
	what := r.RefType + ":" + r.Ref
	if r.Commit != "" {
		what = "commit:" + r.Commit
	}
	r.log.info("cloning code source from repo %s on %s", r.CodePath, what)
	var failed []error
	for _, address := range r.Clones {
		if err := os.RemoveAll(dir); err != nil {
			return "", err
		}
		r.log.info("Cloning into '%s' from %s", dir, address)
		commit, err := r.cloneFrom(ctx, address, dir)
		if err == nil {
			r.log.info("the commit is %s", commit)
			return commit, nil
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		r.log.warn("%v", err)
		failed = append(failed, fmt.Errorf("%s: %w", address, err))
	}
	return "", fmt.Errorf("the code cannot be cloned: %w", errors.Join(failed...))
}

func (r *run) cloneFrom(ctx context.Context, address, dir string) (string, error) {
	if r.Commit != "" {
		return r.cloneCommit(ctx, address, dir)
	}
	name := plumbing.NewBranchReferenceName(r.Ref)
	if r.RefType == hub.RefTag {
		name = plumbing.NewTagReferenceName(r.Ref)
	}
	repo, err := git.PlainCloneContext(ctx, dir, false, &git.CloneOptions{
		URL: address, ReferenceName: name, SingleBranch: true, Depth: 1, Tags: git.NoTags,
		RecurseSubmodules: git.DefaultSubmoduleRecursionDepth, ShallowSubmodules: true,
	})
	if isMissingRef(err) {
		return "", fmt.Errorf("the code repository has no %s %q%s", r.RefType, r.Ref, r.others(ctx, address))
	}
	if err != nil {
		return "", r.explain(err)
	}
	head, err := repo.Head()
	if err != nil {
		return "", err
	}
	return head.Hash().String(), nil
}

// cloneCommit fetches one commit: alone, where the server gives it, else with the
// history of its branch or tag, and at last of everything.
func (r *run) cloneCommit(ctx context.Context, address, dir string) (string, error) {
	repo, err := git.PlainInit(dir, false)
	if err != nil {
		return "", err
	}
	remote, err := repo.CreateRemote(&config.RemoteConfig{Name: "origin", URLs: []string{address}})
	if err != nil {
		return "", r.explain(err)
	}
	ref := "refs/heads/" + r.Ref
	if r.RefType == hub.RefTag {
		ref = "refs/tags/" + r.Ref
	}
	hash := plumbing.NewHash(r.Commit)
	for _, f := range []struct {
		spec  string
		depth int
	}{{r.Commit + ":refs/heads/build", 1}, {"+" + ref + ":refs/remotes/origin/build", 0}, {"+refs/*:refs/remotes/all/*", 0}} {
		err = remote.FetchContext(ctx, &git.FetchOptions{RefSpecs: []config.RefSpec{config.RefSpec(f.spec)}, Depth: f.depth, Tags: git.NoTags})
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if _, missing := repo.CommitObject(hash); missing == nil {
			return r.Commit, r.checkOut(ctx, repo, hash)
		}
	}
	if err != nil && !errors.Is(err, git.NoErrAlreadyUpToDate) && !errors.Is(err, git.NoMatchingRefSpecError{}) {
		return "", r.explain(err)
	}
	return "", fmt.Errorf("the code repository does not have the commit %s", r.Commit)
}

func (r *run) checkOut(ctx context.Context, repo *git.Repository, hash plumbing.Hash) error {
	tree, err := repo.Worktree()
	if err != nil {
		return err
	}
	if err := tree.Checkout(&git.CheckoutOptions{Hash: hash}); err != nil {
		return err
	}
	modules, err := tree.Submodules()
	if err != nil {
		return err
	}
	return modules.UpdateContext(ctx, &git.SubmoduleUpdateOptions{
		Init: true, RecurseSubmodules: git.DefaultSubmoduleRecursionDepth, Depth: 1,
	})
}

func isMissingRef(err error) bool {
	return err != nil && (errors.Is(err, git.NoMatchingRefSpecError{}) || strings.Contains(err.Error(), "reference not found"))
}

// maxOthers is how many branches or tags are told of where the wanted one is missing.
const maxOthers = 10

// others tells which branches, or tags, the code repository has instead.
func (r *run) others(ctx context.Context, address string) string {
	remote := git.NewRemote(memory.NewStorage(), &config.RemoteConfig{Name: "origin", URLs: []string{address}})
	refs, err := remote.ListContext(ctx, &git.ListOptions{})
	if err != nil {
		return ""
	}
	var names []string
	for _, ref := range refs {
		if n := ref.Name(); n.IsBranch() && r.RefType != hub.RefTag || n.IsTag() && r.RefType == hub.RefTag {
			names = append(names, n.Short())
		}
	}
	slices.Sort(names)
	switch {
	case len(names) == 0:
		return ", and no other"
	case len(names) > maxOthers:
		names = append(names[:maxOthers], "…")
	}
	return "; it has " + strings.Join(names, ", ")
}

// explain says in words what a Git host refused.
func (r *run) explain(err error) error {
	switch {
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed):
		return errors.New("the Git host wants credentials: enter the deploy key there (code_repo_public_key), or make the repository public")
	case strings.Contains(err.Error(), "ssh: unable to authenticate"): // the library has no error of its own for it
		return errors.New("the Git host refuses the deploy key: enter it there (code_repo_public_key), and see that the address names the right user")
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return errors.New("there is no such repository, or it is private: enter the deploy key there (code_repo_public_key)")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: the answer was cut short, or the server gives Git's static files alone (dumb http), which are not read", err)
	case errors.Is(err, object.ErrDirectoryNotFound), errors.Is(err, object.ErrEntryNotFound):
		return errors.New("the commit has files whose paths are none, such as .. or one path twice")
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		return errors.New("the code repository is empty")
	}
	return err
}
