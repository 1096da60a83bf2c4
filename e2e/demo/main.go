// Demo shows a hub from a Git push to images that other clients pull, on this machine
// alone: with the real program, a Git repository that it serves itself, and no
// network. It needs git, skopeo, buildah and a busybox without libraries, and root
// for the builds. It ends with status 1 if anything is not as it should be.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	berth := flag.String("berth", "bin/berth", "the program")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	begun := time.Now()
	if err := demonstrate(ctx, *berth); err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1)
	}
	fmt.Printf("\nAll of it took %.1f s, and nothing of it is left.\n", time.Since(begun).Seconds())
}

// The image that is built, and what its pages say.
const (
	repository     = "admin/docker_images_test"
	firstGreeting  = "hello from the first commit"
	secondGreeting = "hello from the second commit"
)

func demonstrate(ctx context.Context, berth string) (err error) {
	s, err := newStage(berth)
	if err != nil {
		return err
	}
	defer func() {
		if left := s.Close(); err == nil {
			err = left
		}
	}()

	s.step("A hub starts, with its data in a temporary folder")
	if err := s.startHub(ctx); err != nil {
		return err
	}
	if err := s.run(ctx, adminPassword, "berth", "login", s.hub, "-u", "admin", "--password-stdin"); err != nil {
		return err
	}

	s.step("An image with busybox is pushed, for builds to begin with")
	if err := s.writeBase(); err != nil {
		return err
	}
	if err := s.run(ctx, "", "berth", "push", s.path("busybox"), s.host()+"/admin/busybox:1"); err != nil {
		return err
	}

	s.step("A Git repository is served over HTTP")
	git, err := s.serveGit(ctx)
	if err != nil {
		return err
	}
	first, err := git.commit(ctx, firstGreeting, map[string]string{"Dockerfile": dockerfile(s.host()), "greeting.txt": firstGreeting + "\n"})
	if err != nil {
		return err
	}

	s.step("A build repository is created, with the hub API's request")
	hook, err := s.createRepository(ctx, git.url)
	if err != nil {
		return err
	}
	git.tells(hook)

	s.step("A build is started by hand, and its log followed")
	if err := s.run(ctx, "", "berth", "build", "start", repository+":latest", "--follow"); err != nil {
		return err
	}

	s.step("A commit is pushed: the Git host's webhook starts the second build")
	second, err := git.commit(ctx, secondGreeting, map[string]string{"greeting.txt": secondGreeting + "\n"})
	if err != nil {
		return err
	}
	build, err := git.started(ctx)
	if err != nil {
		return err
	}
	if err := s.run(ctx, "", "berth", "build", "logs", "-f", build); err != nil {
		return err
	}

	s.step("Both images are pulled with skopeo")
	return s.pullBoth(ctx, []expected{{first, firstGreeting, false}, {second, secondGreeting, true}})
}

// dockerfile has a stage on an image of the hub, and one on nothing.
func dockerfile(host string) string {
	return fmt.Sprintf(`FROM %s/admin/busybox:1 AS kitchen
COPY greeting.txt /greeting.txt
RUN ["/bin/busybox", "sh", "-c", "echo cooking in $(busybox uname -s); busybox tr a-z A-Z < /greeting.txt > /served.txt"]

FROM scratch
COPY --from=kitchen /bin/busybox /bin/busybox
COPY --from=kitchen /served.txt /served.txt
CMD ["/bin/busybox", "cat", "/served.txt"]
`, host)
}
