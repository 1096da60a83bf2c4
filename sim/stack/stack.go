// Package stack runs the stacks that infra synthesizes on this machine: each function is
// a process of its own, reached through what stands in for CloudFront, the HTTP API,
// queues, schedules and Step Functions, and calls what stands in for DynamoDB, S3
// and the other services. All that a process gets is the environment and the rights that the
// templates give it: its calls go through one door, which refuses what its role does not
// allow, and counts the rest.
package stack

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"berth/shared/cloud"
	"berth/shared/hub"
	"berth/sim/account"
	"berth/sim/codebuild"
	"berth/sim/dynamodb"
	"berth/sim/eventbus"
	"berth/sim/iam"
	"berth/sim/lambda"
	"berth/sim/ses"
	"berth/sim/sqs"
	"berth/sim/states"
	"berth/sim/template"
)

// Options say what is run and where.
type Options struct {
	Templates string // folder of the synthesized templates
	Programs  string // folder of functions/NAME/bootstrap, ingest and runner, built for this machine
	Data      string // folder for what the stack keeps; it may be used again
	Listen    string // address of the hub; "" = any port of 127.0.0.1
	Schedules bool   // whether schedules call their functions by themselves, see Tick
	Builds    int    // builds at a time that CodeBuild allows; 0 = any number
	Processes int    // the most processes of functions at a time; 0 = 160
}

// Stack is a hub on a simulated AWS.
type Stack struct {
	URL string // where clients reach the hub
	API string // where they reach the HTTP API, past CloudFront

	options   Options
	app       *template.App
	door      *door
	services  string // address of all services
	lambda    *lambda.Lambda
	bus       *eventbus.Bus
	machine   *states.Executions
	build     *codebuild.CodeBuild
	tables    *dynamodb.DB
	queues    *sqs.SQS
	mails     *ses.SES
	stands    map[string]string // what stands for texts that the templates cannot know: addresses, secrets
	ticks     map[string]func(context.Context) error
	codes     map[string]string          // folders of functions by their names
	programs  map[string]lambda.Function // by folder
	ingestPID int                        // 0 = there is none
	stop      []func()                   // in reverse
}

// Start runs a stack. Close ends it.
func Start(o Options) (s *Stack, err error) {
	app, err := template.Load(o.Templates)
	if err != nil {
		return nil, err
	}
	s = &Stack{
		options: o, app: app, door: newDoor(), stands: map[string]string{}, ticks: map[string]func(context.Context) error{},
		codes: map[string]string{}, programs: map[string]lambda.Function{},
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if o.Processes == 0 {
		o.Processes = 160
	}
	s.lambda = lambda.New(o.Processes)
	s.later(s.lambda.Close)
	s.door.kill = s.lambda.Kill
	front, err := s.listen(cmpOr(o.Listen, "127.0.0.1:0"))
	if err != nil {
		return s, err
	}
	s.URL = "http://" + front.Addr().String()
	host, address := otherHost()
	services, err := s.listen(net.JoinHostPort(address, "0"))
	if err != nil {
		return s, err
	}
	s.services = fmt.Sprintf("http://%s:%d", host, services.Addr().(*net.TCPAddr).Port)
	for _, step := range []func() error{s.publicURL, s.keep, s.functions, s.builds, s.triggers} {
		if err := step(); err != nil {
			return s, err
		}
	}
	s.serve(services, s.door)
	handler, err := s.front()
	if err != nil {
		return s, err
	}
	s.serve(front, handler)
	return s, nil
}

// otherHost is a name of this machine that is not the hub's, and the address that it
// stands for. Layers come from another host than the hub, as on AWS: clients do not
// take the hub's credentials along, and builds reach it by their proxy, which they
// do not ask about localhost.
func otherHost() (name, address string) {
	name, err := os.Hostname()
	if err == nil {
		if found, err := net.DefaultResolver.LookupIP(context.Background(), "ip4", name); err == nil && len(found) > 0 {
			return name, found[0].String()
		}
	}
	return "localhost", "127.0.0.1"
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// later is done when the stack is closed, before what was said earlier.
func (s *Stack) later(f func()) { s.stop = append(s.stop, f) }

// Close ends all processes.
func (s *Stack) Close() {
	for _, f := range slices.Backward(s.stop) {
		f()
	}
	s.stop = nil
}

func (s *Stack) listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err == nil {
		s.later(func() { l.Close() })
	}
	return l, err
}

func (s *Stack) serve(l net.Listener, h http.Handler) {
	server := &http.Server{Handler: h, ErrorLog: quiet}
	s.later(func() { server.Close() })
	go server.Serve(l)
}

// publicURL finds the address that the templates give the hub, for which its own stands.
func (s *Stack) publicURL() error {
	r, err := s.app.One("AWS::CloudFront::Distribution")
	if err != nil {
		return err
	}
	var names struct {
		DistributionConfig struct{ Aliases []string }
	}
	if err := s.app.Get(r, &names); err != nil {
		return err
	}
	host, err := s.app.Attribute(r, "DomainName")
	if err != nil {
		return err
	}
	for _, host := range append(names.DistributionConfig.Aliases, host) {
		s.stands["https://"+host] = s.URL
	}
	return nil
}

// own is a text of the templates, with what stands for what they refer to.
func (s *Stack) own(text string) string {
	for of, stands := range s.stands {
		text = strings.ReplaceAll(text, of, stands)
	}
	return text
}

// Operator is a hub over the stack's records, layers and secrets, with every right: what
// somebody with the account's own credentials can do.
func (s *Stack) Operator() (*hub.Hub, error) {
	r := &iam.Role{Name: operator}
	if err := r.Allow(map[string]any{"Statement": map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"}}); err != nil {
		return nil, err
	}
	env := s.credentials(s.door.admit(operator, r))
	all, err := s.settings()
	if err != nil {
		return nil, err
	}
	for k, v := range all {
		env[k] = v
	}
	return cloud.Open(func(name string) string { return env[name] })
}

const operator = "operator"

// Administrator makes the hub's first account, admin, with a password, or with one that
// is made up if that is "", and returns the password.
func (s *Stack) Administrator(ctx context.Context, password string) (string, error) {
	h, err := s.Operator()
	if err != nil {
		return "", err
	}
	if password == "" {
		password = rand.Text()
	}
	_, err = h.EnsureAdministrator(ctx, func() string { return password })
	return password, err
}

// settings are those of all functions together.
func (s *Stack) settings() (map[string]string, error) {
	all := map[string]string{}
	for _, r := range s.app.Of("AWS::Lambda::Function") {
		f, err := s.function(r)
		if err != nil {
			return nil, err
		}
		for k, v := range f.env {
			all[k] = v
		}
	}
	return all, nil
}

// credentials are what a process needs to call services with an access key.
func (s *Stack) credentials(key string) map[string]string {
	env := map[string]string{
		"AWS_REGION": template.Region, "AWS_DEFAULT_REGION": template.Region,
		"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": account.Secret(key), "AWS_SESSION_TOKEN": "of no function",
	}
	for _, service := range []string{"DYNAMODB", "S3", "SQS", "SFN", "KMS", "SECRETS_MANAGER", "SESV2", "EVENTBRIDGE"} {
		env["AWS_ENDPOINT_URL_"+service] = s.services
	}
	return env
}

// Refusals are the calls that were refused, each once, in order: there must be none.
func (s *Stack) Refusals() (all []string) {
	s.door.mu.Lock()
	defer s.door.mu.Unlock()
	for what := range s.door.refusals {
		all = append(all, what)
	}
	slices.Sort(all)
	return all
}

// Unused are the rights that nothing has used: "ROLE: ACTION on RESOURCE".
func (s *Stack) Unused() (all []string) {
	s.door.mu.Lock()
	defer s.door.mu.Unlock()
	for _, p := range s.door.principals {
		if p.name == operator {
			continue
		}
		for _, ask := range p.role.Unused() {
			service, _, _ := strings.Cut(ask.Action, ":")
			if service != "logs" && service != "xray" { // which are not simulated
				all = append(all, p.name+": "+ask.String())
			}
		}
	}
	slices.Sort(all)
	return all
}

// Counts are what has been counted so far.
func (s *Stack) Counts() Counts { return s.door.counted() }

// DynamoDB is the emulator behind the tables, for its faults.
func (s *Stack) DynamoDB() *dynamodb.DB { return s.tables }

// SQS is the emulator of the queues, for its faults.
func (s *Stack) SQS() *sqs.SQS { return s.queues }

// SES is the emulator that mails are sent by, for what was sent.
func (s *Stack) SES() *ses.SES { return s.mails }

// Lambda runs the functions.
func (s *Stack) Lambda() *lambda.Lambda { return s.lambda }

// CodeBuild runs the builds.
func (s *Stack) CodeBuild() *codebuild.CodeBuild { return s.build }

// Inject replaces the faults of calls, and Injected tells how many there were.
func (s *Stack) Inject(f Faults) {
	s.door.mu.Lock()
	defer s.door.mu.Unlock()
	s.door.faults = f
}

func (s *Stack) Injected() int {
	s.door.mu.Lock()
	defer s.door.mu.Unlock()
	return s.door.injected
}

// Tick calls the functions of a schedule now, by the function's name.
func (s *Stack) Tick(ctx context.Context, function string) error {
	tick, ok := s.ticks[function]
	if !ok {
		return fmt.Errorf("no schedule calls %s", function)
	}
	return tick(ctx)
}

// Settle waits until nothing is under way: no call, no message, no event, no build.
func (s *Stack) Settle(ctx context.Context) error {
	for quiet := 0; quiet < 3; {
		if s.lambda.Idle() && s.bus.Idle() && s.machine.Running() == 0 && s.queues.Waiting() == 0 {
			quiet++
		} else {
			quiet = 0
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: functions idle: %v, events idle: %v, executions: %d, messages: %d", ctx.Err(),
				s.lambda.Idle(), s.bus.Idle(), s.machine.Running(), s.queues.Waiting())
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// program is a program of the stack.
func (s *Stack) program(name ...string) (string, error) {
	path, err := filepath.Abs(filepath.Join(append([]string{s.options.Programs}, name...)...))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", errors.Join(err, errors.New("build the stack's programs first: make sim-programs"))
	}
	return path, nil
}
