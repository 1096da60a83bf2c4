//go:build proof

package proof

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/shared/store"
	"berth/sim/stack"
)

var update = flag.Bool("update", false, "write COUNTS.md anew")

// counts gathers what operations cost.
type counts struct {
	t     *testing.T
	s     *stack.Stack
	c     client
	rows  []string
	costs map[string]cost
}

// cost is what one operation used.
type cost struct {
	reads, readUnits, writes, writeUnits, s3, sqs, kms, functions int64
	in, out                                                       int64 // bytes of bodies through functions
}

// of runs an operation and adds what it used, and what followed in the background, to
// the table. What it needs must have been called before: a cold start is not counted.
func (k *counts) of(name string, do func()) {
	k.t.Helper()
	settle(k.t, k.s)
	before := k.s.Counts()
	do()
	settle(k.t, k.s)
	used := k.s.Counts().Since(before)
	direct, after := sums(used, false), sums(used, true)
	k.row(name, direct)
	if after != (cost{}) {
		k.row("… and what follows: "+name, after)
	}
	k.costs[name] = direct
}

// background tells whether a caller works behind requests.
func background(caller string) bool {
	return strings.HasPrefix(caller, "event-") || strings.HasPrefix(caller, "step-") || caller == "state-machine"
}

func sums(used stack.Counts, behind bool) cost {
	sum := func(service string, ops ...string) stack.Tally {
		return used.Sum(func(k stack.Counted) bool {
			if k.Service != service || background(k.Caller) != behind || k.Caller == stack.Client {
				return false
			}
			for _, op := range ops {
				if op == k.Operation {
					return true
				}
			}
			return len(ops) == 0
		})
	}
	all, functions := sum("dynamodb"), sum(stack.Lambda)
	return cost{
		reads: sum("dynamodb", "BatchGetItem", "Query").Calls, readUnits: all.Reads,
		writes: sum("dynamodb", "TransactWriteItems").Calls, writeUnits: all.Writes,
		s3: sum("s3").Calls, sqs: sum("sqs", "SendMessage", "SendMessageBatch").Calls, kms: sum("kms").Calls,
		functions: functions.Calls, in: functions.BytesIn, out: functions.BytesOut,
	}
}

func (k *counts) row(name string, c cost) {
	k.rows = append(k.rows, fmt.Sprintf("| %s | %d | %d | %d | %d | %d | %d | %d | %d | %d |",
		name, c.reads, c.readUnits, c.writes, c.writeUnits, c.s3, c.sqs, c.kms, c.functions, c.in+c.out))
}

// must fails the test unless an operation's cost is as it has to be.
func (k *counts) must(name string, ok func(cost) bool) {
	k.t.Helper()
	c, there := k.costs[name]
	if !there || !ok(c) {
		k.t.Errorf("%s costs %+v", name, c)
	}
}

const countsHead = `# What operations cost on AWS

Counted in the simulation by ` + "`make sim-test`" + `, which fails if it counts otherwise; ` + "`make sim-test SIMFLAGS='-run TestCounts -args -update'`" + `
writes this page anew. Each operation is asked for by an access token, with its function warm. Reads and
writes are calls of DynamoDB; their units are what an on-demand table charges: a consistent read of up to 4 KB, a write
of up to 1 KB, and two of these for each item of a transaction. Bytes are those of bodies that go through functions.
Calls of S3 that a client makes with an address that it was given are not among them. The layer of 5 GB is 5 GiB of zeros,
the most that S3 takes in one request. A build's figures vary a
little from run to run, for its runner reports what has gathered in a while; they are not compared.

| Operation | Reads | Read units | Writes | Write units | S3 calls | Messages | KMS calls | Functions | Bytes through functions |
|---|---|---|---|---|---|---|---|---|---|
`

// What operations cost is what COUNTS.md says.
func TestCounts(t *testing.T) {
	k := &counts{t: t, s: ownStack(t, withIngest), costs: map[string]cost{}}
	k.c = clientOf(t, k.s)
	k.pushes("by ingest")
	k.pulls()
	k.management()
	k.build()
	few := &counts{t: t, s: ownStack(t, withoutIngest), costs: k.costs}
	few.c = clientOf(t, few.s)
	few.pushes("through functions")
	k.rows = append(k.rows, few.rows...)
	for _, name := range []string{"pull by tag", "ask for a tag (HEAD)"} {
		k.must(name, func(c cost) bool { return c.reads <= 3 && c.s3 == 0 })
	}
	k.must("pull by tag, by a registry token", func(c cost) bool { return c.reads <= 2 && c.s3 == 0 })
	k.must("pull a layer, by a registry token", func(c cost) bool { return c.reads == 1 && c.s3 == 0 && c.in+c.out == 0 })
	for _, size := range []string{"1 MB", "64 MB", "5 GB"} {
		k.must("push a layer of "+size+" directly to S3", func(c cost) bool { return c == k.costs["push a layer of 1 MB directly to S3"] && c.s3 == 1 })
	}
	page := countsHead + strings.Join(k.rows, "\n") + "\n"
	path := filepath.Join("..", "COUNTS.md")
	if *update {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(path); err != nil || steady(string(have)) != steady(page) {
		t.Errorf("COUNTS.md says otherwise (%v); counted is\n%s", err, page)
	}
}

// steady leaves out what depends on how fast things are: a runner reports what has
// gathered in a while.
func steady(page string) string {
	var kept []string
	for line := range strings.Lines(page) {
		if !strings.Contains(line, aBuild) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

const aBuild = "build an image of one step"

// twice runs an operation on two different things and counts the second time.
func (k *counts) twice(name string, do func(n int)) {
	k.t.Helper()
	do(0)
	k.of(name, func() { do(1) })
}

const repo = "admin/counted"

// pushes counts pushes of layers and of manifests.
func (k *counts) pushes(how string) {
	first := newImage(1)
	k.push201(repo, "first", first)
	k.twice("push a layer of 1 MB in one request, "+how, func(n int) { k.blob201(random(uint64(10+n), 1<<20)) })
	k.twice("push a layer of 12 MB in chunks of 4 MB, "+how, func(n int) { k.chunks(random(uint64(20+n), 12<<20), 4<<20) })
	if how == "by ingest" {
		k.twice("push a layer of 64 MB in one request, "+how, func(n int) { k.chunks(random(uint64(30+n), 64<<20), 64<<20) })
		k.twice("push a layer of 1 MB directly to S3", func(n int) { k.direct(random(uint64(40+n), 1<<20)) })
		k.twice("push a layer of 64 MB directly to S3", func(n int) { k.direct(random(uint64(50+n), 64<<20)) })
		k.of("push a layer of 5 GB directly to S3", func() { k.directly(io.LimitReader(zeros{}, store.MaxSent), zerosDigest, store.MaxSent) })
		k.twice("push a manifest of one layer under a new tag", func(n int) { k.manifest201(fmt.Sprintf("new-%d", n), first) })
	}
}

func (k *counts) push201(repo, tag string, i image) {
	k.t.Helper()
	if status, err := k.c.push(repo, tag, i, false); err != nil {
		k.t.Fatal(status, err)
	}
}

func (k *counts) blob201(data []byte) {
	k.t.Helper()
	k.c.call(k.t, 201, "POST", "/v2/"+repo+"/blobs/uploads/?digest="+digestOf(data), string(data), "Content-Type", octets)
}

func (k *counts) manifest201(tag string, i image) {
	k.t.Helper()
	k.c.call(k.t, 201, "PUT", "/v2/"+repo+"/manifests/"+tag, string(i.manifest), "Content-Type", manifestType)
}

// chunks pushes as docker does: a POST, pieces, and an empty PUT.
func (k *counts) chunks(data []byte, size int) {
	k.t.Helper()
	at := k.c.call(k.t, 202, "POST", "/v2/"+repo+"/blobs/uploads/", "").header.Get("Location")
	digest := digestOf(data)
	for len(data) > 0 {
		n := min(size, len(data))
		at = k.c.call(k.t, 202, "PATCH", at, string(data[:n]), "Content-Type", octets).header.Get("Location")
		data = data[n:]
	}
	k.c.call(k.t, 201, "PUT", with(at, "digest="+digest), "")
}

// with adds to the query of an address.
func with(at, query string) string {
	if strings.Contains(at, "?") {
		return at + "&" + query
	}
	return at + "?" + query
}

func (k *counts) direct(data []byte) {
	k.t.Helper()
	k.directly(bytes.NewReader(data), digestOf(data), int64(len(data)))
}

// directly pushes as `berth push` does: the bytes go to S3 by an address that it is given.
func (k *counts) directly(data io.Reader, digest string, size int64) {
	k.t.Helper()
	begun := k.c.call(k.t, 202, "POST", fmt.Sprintf("/v2/%s/blobs/uploads/?digest=%s&direct=1&size=%d", repo, digest, size), "")
	patient := client{k.c.base, k.c.secret, &http.Client{Transport: k.c.http.Transport}}
	sent, err := patient.do("PUT", begun.header.Get("Berth-Direct-Url"), data, append(directHeaders(k.t, begun), "Content-Length", fmt.Sprint(size))...)
	if err != nil || sent.status != http.StatusOK {
		k.t.Fatalf("S3 answers %d bytes by %d %s, %v", size, sent.status, sent.body, err)
	}
	k.c.call(k.t, 201, "PUT", with(begun.header.Get("Location"), "digest="+digest), "")
}

// zeros are bytes that cost little to make, and zerosDigest is that of as many as S3 takes
// in one request. S3 itself holds the one against the other.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

const zerosDigest = "sha256:7f06c62352aebd8125b2a1841e2b9e1ffcbed602f381c3dcb3200200e383d1d5"

// directHeaders are the headers that go with the address of an answer, names and values in turn.
func directHeaders(t *testing.T, begun answer) (list []string) {
	t.Helper()
	headers := map[string]string{}
	if err := json.Unmarshal([]byte(begun.header.Get("Berth-Direct-Headers")), &headers); err != nil || begun.header.Get("Berth-Direct-Url") == "" {
		t.Fatalf("no address to send to: %v (%v)", begun.header, err)
	}
	for name, value := range headers {
		list = append(list, name, value)
	}
	return list
}

// pulls counts pulls, by an access token at each call, and by a registry token as
// clients have it.
func (k *counts) pulls() {
	i := newImage(1)
	layer := "/v2/" + repo + "/blobs/" + digestOf(i.layer)
	var token struct{ Token string }
	if err := json.Unmarshal(k.c.call(k.t, 200, "GET", "/v2/token?scope=repository:"+repo+":pull", "").body, &token); err != nil || token.Token == "" {
		k.t.Fatal("no registry token: ", err)
	}
	bearer := []string{"Authorization", "Bearer " + token.Token, "Accept", manifestType}
	get := func(method, at string, header ...string) func(int) {
		return func(int) { k.c.call(k.t, 200, method, at, "", header...) }
	}
	k.twice("get a registry token", get("GET", "/v2/token?scope=repository:"+repo+":pull"))
	k.twice("pull by tag", get("GET", "/v2/"+repo+"/manifests/first", "Accept", manifestType))
	k.twice("ask for a tag (HEAD)", get("HEAD", "/v2/"+repo+"/manifests/first", "Accept", manifestType))
	k.twice("pull by tag, by a registry token", get("GET", "/v2/"+repo+"/manifests/first", bearer...))
	k.twice("ask for a tag (HEAD), by a registry token", get("HEAD", "/v2/"+repo+"/manifests/first", bearer...))
	k.twice("pull a layer, by a registry token", get("GET", layer, bearer[:2]...))
	k.twice("ask for a layer (HEAD), by a registry token", get("HEAD", layer, bearer[:2]...))
	k.twice("a page of tags (/v2)", get("GET", "/v2/"+repo+"/tags/list?n=10"))
}

// management counts calls of the hub API.
func (k *counts) management() {
	k.twice("create a repository", func(n int) {
		k.c.call(k.t, 201, "POST", "/v1/repositories/admin", fmt.Sprintf(`{"repo_name":"made-%d"}`, n))
	})
	k.twice("show a repository", func(int) { k.c.call(k.t, 200, "GET", "/v1/repositories/"+repo, "") })
	k.twice("list repositories", func(int) { k.c.call(k.t, 200, "GET", "/v1/repositories/admin", "") })
	k.twice("list tags (/v1)", func(int) { k.c.call(k.t, 200, "GET", "/v1/repositories/"+repo+"/tags", "") })
	k.twice("delete a tag", func(n int) { k.c.call(k.t, 204, "DELETE", fmt.Sprintf("/v1/repositories/%s/tags/new-%d", repo, n), "") })
}
