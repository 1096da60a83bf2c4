// Bench measures OCI registries that speak the distribution API, over HTTP and
// from outside: it needs nothing but a base URL.
//
//	bench run    [flags] [name=URL ...]  builds Berth, measures it beside the bare server, and compares with the bars
//	bench load   [flags] [name=]URL ...  push, pull, manifests, tags, catalog; targets side by side
//	bench start  [flags] -url URL -- cmd process start to first answer on /v2/, idle memory, binary size
//	bench fill   [flags] URL             seeds images and deletes some of them, for garbage collection
//	bench check  [flags] URL             verifies what fill kept, and what it deleted
//	bench fsync  [flags] DIR             how often a second the disk under DIR makes 4 KiB durable
//	bench raw    [flags]                 the bare net/http server that is the limit of the machine
//
// A URL may carry credentials (http://user:password@host:port). They are used
// only where the registry asks for them, as Basic or for Bearer tokens.
package main

import (
	"fmt"
	"os"
)

func main() {
	cmds := map[string]func([]string) error{
		"run": runCmd, "load": loadCmd, "start": startCmd, "fill": fillCmd,
		"check": checkCmd, "fsync": fsyncCmd, "raw": rawCmd, "builds": buildsCmd,
	}
	if len(os.Args) < 2 || cmds[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: bench run|load|start|fill|check|fsync|raw|builds [flags] ... (-h after a command lists its flags)")
		os.Exit(2)
	}
	if err := cmds[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
