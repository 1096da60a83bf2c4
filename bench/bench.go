package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// bench holds the settings of a run and what it found.
type bench struct {
	res                  results
	namespace            string
	size                 int // MiB
	layers, layerSize    int // layerSize in KiB
	jobs, conns, writers int
	tags, repos          int
	rounds               int
	dur, quiet, fsyncFor time.Duration
	verify               bool
	fsyncDir, phaseNames string
	payload              []byte
	run                  string // makes names and content of this run unique
	seq                  uint64
	failed               bool
	until                context.Context // its end ends the measurements
}

func newBench() *bench {
	return &bench{until: context.Background(), run: fmt.Sprintf("%x", time.Now().UnixNano()), res: results{out: os.Stdout}}
}

func (b *bench) flags(fs *flag.FlagSet) {
	fs.StringVar(&b.phaseNames, "phases", "blob,layers,manifest,tags,catalog", "what to measure: blob, mono, layers, manifest, tags, catalog")
	fs.StringVar(&b.namespace, "namespace", "bench", "namespace that all repositories are made in")
	fs.IntVar(&b.rounds, "rounds", 5, "rounds; the targets take turns in each, in alternating order")
	fs.IntVar(&b.size, "size", 512, "size of the large blob, in MiB")
	fs.IntVar(&b.layers, "layers", 40, "layers of the many-layer image")
	fs.IntVar(&b.layerSize, "layer-size", 1024, "size of each of its layers, in KiB")
	fs.IntVar(&b.jobs, "jobs", 4, "blobs transferred at once for the many-layer image")
	fs.IntVar(&b.conns, "conns", 16, "keep-alive connections for manifest requests")
	fs.IntVar(&b.writers, "writers", 64, "clients that push tags and make repositories at once")
	fs.DurationVar(&b.dur, "for", 3*time.Second, "duration of each load")
	fs.IntVar(&b.tags, "tags", 10000, "tags in the large repository, at least 100")
	fs.IntVar(&b.repos, "repos", 5000, "repositories for the catalog, at least 100")
	fs.DurationVar(&b.quiet, "quiet", 30*time.Second, "before each measurement flush the disks, and wait this long at most for a quiet machine; 0 for neither")
	fs.StringVar(&b.fsyncDir, "fsync-dir", "", "directory on the servers' disk, for tags per fsync")
	fs.DurationVar(&b.fsyncFor, "fsync-for", time.Second, "duration of each of the two fsync probes")
	fs.BoolVar(&b.verify, "verify", true, "check content once, outside the measurements")
	fs.StringVar(&b.res.ref, "ref", "raw", "name of the target that the others are compared with")
}

func loadCmd(args []string) error {
	b := newBench()
	fs := flag.NewFlagSet("load", flag.ExitOnError)
	b.flags(fs)
	fs.Parse(args)
	if fs.NArg() == 0 {
		return errors.New("load needs a base URL")
	}
	return b.measureURLs(fs.Args())
}

func (b *bench) measureURLs(urls []string) error {
	var targets []*registry
	for _, u := range urls {
		r, err := newRegistry(u)
		if err != nil {
			return err
		}
		targets = append(targets, r)
	}
	return b.measure(targets)
}

// phase is one group of measurements: set-up once for each target, then rounds.
type phase struct {
	name  string
	setup func(*registry) error
	round func(*registry) error
}

func (b *bench) phases() (list []phase, err error) {
	all := []phase{
		{"blob", nil, b.blob},
		{"mono", nil, b.mono},
		{"layers", nil, b.manyLayers},
		{"manifest", b.seedImage, b.manifestLoad},
		{"tags", b.seedTags, b.listTags},
		{"catalog", b.seedRepos, b.listCatalog},
	}
	for _, name := range strings.Split(b.phaseNames, ",") {
		i := slices.IndexFunc(all, func(p phase) bool { return p.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no phase %q", name)
		}
		list = append(list, all[i])
	}
	return list, nil
}

// measure runs the phases and prints as it goes. A target that fails drops out
// of its phase; the others go on.
func (b *bench) measure(targets []*registry) error {
	phases, err := b.phases()
	if err != nil {
		return err
	}
	b.payload = make([]byte, max(b.size<<20, b.layers*b.layerSize<<10))
	rand.Read(b.payload)
	for _, p := range phases {
		alive := slices.Clone(targets)
		if p.setup != nil {
			alive = b.turn(p, p.setup, alive)
		}
		for i := range b.rounds {
			alive = b.turn(p, p.round, alive)
			if len(alive) > 1 { // the next round starts elsewhere, and runs the other way
				alive = append(alive[1:], alive[0])
				if i%2 == 0 {
					slices.Reverse(alive)
				}
			}
		}
		b.res.flush()
	}
	if b.until.Err() != nil {
		return errors.New("interrupted")
	}
	if b.failed {
		return errors.New("some measurements failed")
	}
	return nil
}

// turn lets each target do f, and returns those that did.
func (b *bench) turn(p phase, f func(*registry) error, targets []*registry) (alive []*registry) {
	for _, t := range targets {
		if b.until.Err() != nil {
			return nil
		}
		if b.quiet > 0 {
			syscall.Sync() // so that nobody pays for the writes of the one before
			waitQuiet(b.quiet)
		}
		share := others(t.pid)
		err := f(t)
		b.res.add("-", p.name+"_others", "%cpu", share())
		if err != nil {
			b.failed = true
			fmt.Fprintf(b.res.out, "%-10s %-26s FAILED: %v\n", t.name, p.name, err)
			continue
		}
		alive = append(alive, t)
	}
	return alive
}

// fresh returns n bytes nobody has seen before, at an offset of the payload.
func (b *bench) fresh(off, n int) []byte {
	p := b.payload[off : off+n]
	b.seq++
	binary.LittleEndian.PutUint64(p, b.seq)
	binary.LittleEndian.PutUint64(p[8:], uint64(time.Now().UnixNano()))
	return p
}

// timed runs f and records the server's processor time and peak memory with it.
func (b *bench) timed(t *registry, metric string, f func() error) (time.Duration, error) {
	resetPeak(t.pid)
	cpu := cpuTime(t.pid)
	start := time.Now()
	err := f()
	took := time.Since(start)
	if err == nil && t.pid > 0 {
		b.res.add(t.name, metric+"_cpu", "s", (cpuTime(t.pid) - cpu).Seconds())
		_, peak := memMiB(t.pid)
		b.res.add(t.name, metric+"_peak", "MiB", peak)
	}
	return took, err
}
