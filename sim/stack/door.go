package stack

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"berth/sim/account"
	"berth/sim/awsjson"
	"berth/sim/dynamodb"
	"berth/sim/iam"
)

// principal is who a call is made as: a role, by its access key.
type principal struct {
	name string // the function, or what else it is
	role *iam.Role
}

// door is where all calls of AWS go through, of every service. The signature tells
// which service is meant and who calls. A call that the caller's role does not allow
// is refused and noted; others are counted and handed on.
type door struct {
	services map[string]http.Handler // by the name that signatures have
	kill     func(session string) bool

	mu         sync.Mutex
	principals map[string]principal // by access key
	refusals   map[string]bool
	counts     Counts
	faults     Faults
	rnd        *rand.Rand
	injected   int
}

// Faults befall calls of functions and of ingest. Each number is the share of calls,
// from 0 to 1. What DynamoDB and SQS do by themselves has switches of its own.
type Faults struct {
	S3    float64 // S3 answers 500, and nothing is done
	Kills float64 // the function that writes to DynamoDB is killed, before the write or after it
}

func newDoor() *door {
	return &door{
		services: map[string]http.Handler{}, principals: map[string]principal{}, refusals: map[string]bool{},
		counts: Counts{}, rnd: rand.New(rand.NewPCG(1, 4622)),
	}
}

// admit makes a role known, and returns its access key.
func (d *door) admit(name string, role *iam.Role) string {
	key := account.Key(name)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.principals[key] = principal{name, role}
	return key
}

var credential = regexp.MustCompile(`Credential=([^/,]+)/[0-9]{8}/[^/,]+/([^/,]+)/aws4_request`)

// caller reads the access key and the service of a signature.
func caller(r *http.Request) (key, service string) {
	m := credential.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil {
		m = credential.FindStringSubmatch("Credential=" + r.URL.Query().Get("X-Amz-Credential"))
	}
	if m == nil {
		return "", "s3" // which alone can be asked without a signature, and says no
	}
	return m[1], m[2]
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key, service := caller(r)
	next := d.services[service]
	d.mu.Lock()
	p, someone := d.principals[key]
	d.mu.Unlock()
	presigned := r.URL.Query().Has("X-Amz-Credential")
	switch {
	case next == nil:
		d.refuse(w, service, fmt.Sprintf("a call of the service %q, which is not simulated", service))
		return
	case key == "" && service == "s3":
		next.ServeHTTP(w, r)
		return
	case !someone:
		d.refuse(w, service, "a call with an access key that nobody has, to "+service)
		return
	}
	var body []byte
	if service != "s3" {
		var err error
		if body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, 20<<20)); err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	op, needs, err := asks(service, r, body)
	if err != nil {
		d.refuse(w, service, fmt.Sprintf("%s: %v", p.name, err))
		return
	}
	for _, ask := range needs {
		if !p.role.Allows(ask, known(service, body)) {
			d.refuse(w, service, p.name+" may not "+ask.String())
			return
		}
	}
	who := p.name
	if presigned {
		who = Client
	} else if d.fault(w, r, service, op) {
		return
	}
	out := &watched{ResponseWriter: w, hides: func() bool {
		return service == "s3" && !p.role.Allows(iam.Ask{Action: "s3:ListBucket", Resource: bucketOf(r)}, nil)
	}}
	in := &counted{ReadCloser: r.Body}
	r.Body = in
	next.ServeHTTP(out, r)
	if out.hidden {
		d.note(p.name + " is told 403 where an object is absent, for it may not s3:ListBucket on " + bucketOf(r))
	}
	d.count(Counted{who, service, op}, Tally{
		Calls: 1, BytesIn: in.n, BytesOut: out.n, Reads: unit(w, dynamodb.ReadUnits), Writes: unit(w, dynamodb.WriteUnits),
	})
	if d.draw(d.share(func(f Faults) float64 { return f.Kills / 2 }), writes(service, op)) && d.kill(r.Header.Get("X-Amz-Security-Token")) {
		panic(http.ErrAbortHandler) // it is done, and nobody is left to hear of it
	}
}

func bucketOf(r *http.Request) string {
	bucket, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	return "arn:aws:s3:::" + bucket
}

func unit(w http.ResponseWriter, name string) int64 {
	n, _ := strconv.ParseInt(w.Header().Get(name), 10, 64)
	return n
}

func writes(service, op string) bool { return service == "dynamodb" && op == "TransactWriteItems" }

// fault reports whether a fault befell the call, which is not done then.
func (d *door) fault(w http.ResponseWriter, r *http.Request, service, op string) bool {
	if d.draw(d.share(func(f Faults) float64 { return f.S3 }), service == "s3") {
		io.Copy(io.Discard, r.Body)
		refuseXML(w, http.StatusInternalServerError, "InternalError", "We encountered an internal error. Please try again.")
		return true
	}
	if d.draw(d.share(func(f Faults) float64 { return f.Kills / 2 }), writes(service, op)) && d.kill(r.Header.Get("X-Amz-Security-Token")) {
		panic(http.ErrAbortHandler)
	}
	return false
}

func (d *door) share(of func(Faults) float64) float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return of(d.faults)
}

func (d *door) draw(share float64, applies bool) bool {
	if !applies || share == 0 {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.rnd.Float64() >= share {
		return false
	}
	d.injected++
	return true
}

// note keeps what must not have happened.
func (d *door) note(what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refusals[what] = true
}

func (d *door) refuse(w http.ResponseWriter, service, what string) {
	d.note(what)
	if service == "s3" {
		refuseXML(w, http.StatusForbidden, "AccessDenied", what)
		return
	}
	awsjson.Refuse(w, &awsjson.Error{Code: "AccessDeniedException", Message: what})
}

func refuseXML(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
}

// counted counts what is read.
type counted struct {
	io.ReadCloser
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n += int64(n)
	return n, err
}

// watched counts what is written. S3 tells only those who may list a bucket what is
// not in it: to others absence is forbidden.
type watched struct {
	http.ResponseWriter
	n      int64
	hides  func() bool
	hidden bool
}

func (w *watched) WriteHeader(status int) {
	if status == http.StatusNotFound && w.hides() {
		status, w.hidden = http.StatusForbidden, true
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *watched) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.n += int64(n)
	return n, err
}

// Unwrap lets a reverse proxy flush.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }
