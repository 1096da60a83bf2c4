package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	golog "log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"berth/console"
	"berth/shared/build"
	"berth/shared/hub"
	"berth/shared/local"
	"berth/shared/routes"
	"berth/shared/web"

	"github.com/spf13/cobra"
)

// settings are the options of serve.
type settings struct {
	listen, data, publicURL    string
	signup, logFormat          oneOf
	logLevel                   oneOf
	tlsCert, tlsKey            string
	allowHosts                 []string
	proxies                    []string
	sweepEvery, retentionEvery time.Duration
	grace                      time.Duration
	builds                     int
	buildTool                  oneOf
	builderImage               string
	buildLimits                hub.BuildLimits
	mail                       mailSettings
}

func serveCommand() *cobra.Command {
	s := &settings{
		signup:    oneOf{"closed", []string{"open", "closed"}},
		logFormat: oneOf{"auto", []string{"auto", "text", "json"}},
		buildTool: oneOf{build.Auto, build.Builders()},
		logLevel:  oneOf{"info", []string{"debug", "info", "warn", "error"}},
	}
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the hub on this machine",
		Long: `Run the hub on this machine, with everything it keeps in one folder.

The first start makes the account "admin", with the password in
BERTH_ADMIN_PASSWORD or with one that is made up and printed once.

One interrupt (or SIGTERM, or SIGHUP) stops it: it takes no new connection, lets running
uploads and downloads finish within --grace, and ends. A second one ends it at once;
what was acknowledged is safe either way.`,
		Example: `  berth serve
  berth serve --listen 0.0.0.0:443 --public-url https://hub.example.com \
    --tls-cert hub.pem --tls-key hub.key --data /var/lib/berth`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return s.serve(c.Context(), c.OutOrStdout()) },
	}
	f := c.Flags()
	f.StringVar(&s.listen, "listen", "127.0.0.1:8080", "address and port to listen on; port 0 takes a free one")
	f.StringVar(&s.data, "data", "berth-data", "folder that keeps everything")
	f.StringVar(&s.publicURL, "public-url", "", "address at which clients reach the hub (default: where it listens)")
	f.Var(&s.signup, "signup", "who may register an account: anybody, or only administrators for others")
	f.StringVar(&s.tlsCert, "tls-cert", "", "certificate chain in PEM, for https and HTTP/2")
	f.StringVar(&s.tlsKey, "tls-key", "", "the certificate's private key in PEM")
	f.StringSliceVar(&s.allowHosts, "allow-host", nil, "private host that webhooks, clones and base images may reach; may be repeated")
	f.StringSliceVar(&s.proxies, "trusted-proxy", nil, "address or network of a proxy whose X-Forwarded-For names the client; may be repeated")
	f.DurationVar(&s.sweepEvery, "gc-every", time.Hour, "how often to collect what nothing refers to; 0 = never")
	f.DurationVar(&s.retentionEvery, "retention-every", 24*time.Hour, "how often to apply retention policies; 0 = never")
	f.DurationVar(&s.grace, "grace", 30*time.Second, "how long running requests may take to finish when the hub is stopped")
	f.IntVar(&s.builds, "builds", max(2, runtime.NumCPU()), "image builds that run at once on this machine; 0 = none are run")
	f.Var(&s.buildTool, "builder", "what builds images; auto is the first of these that the machine has")
	f.StringVar(&s.builderImage, "builder-image", build.BuildKitImage, "image of BuildKit that buildx has the Docker engine run")
	f.IntVar(&s.buildLimits.Running, "build-running", hub.DefaultBuildLimits.Running, "builds of one namespace that run at once")
	f.IntVar(&s.buildLimits.Waiting, "build-waiting", hub.DefaultBuildLimits.Waiting, "builds of one namespace that wait")
	f.DurationVar(&s.buildLimits.Time, "build-time", hub.DefaultBuildLimits.Time, "how long one build may take")
	f.Int64Var(&s.buildLimits.LogBytes, "build-log-bytes", hub.DefaultBuildLimits.LogBytes, "how long one build's log may be")
	f.Int64Var(&s.buildLimits.Memory, "build-memory", 4<<30, "bytes of memory that one build's processes may use; 0 = as many as there are")
	f.IntVar(&s.buildLimits.Tasks, "build-tasks", 4096, "processes and threads that one build may run at once; 0 = as many as it likes")
	f.Int64Var(&s.buildLimits.Disk, "build-disk", 20<<30, "bytes of disk that one build may use while it runs; 0 = as many as there are")
	s.mail.flags(f)
	f.Var(&s.logLevel, "log-level", "least level of log lines; a line a request is info")
	f.Var(&s.logFormat, "log-format", "form of log lines; auto is text on a terminal and JSON elsewhere")
	return withEnv(c)
}

// gcPercent makes the collector of garbage run half as often as it would by
// itself: a serving hub keeps a few MiB alive, so that this costs a few more, and
// saves a request a tenth of its processor time. GOGC in the environment wins.
const gcPercent = 200

// serve runs the hub until it is told to stop.
func (s *settings) serve(ctx context.Context, out io.Writer) (err error) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as it is under nohup
		signal.Notify(signals, syscall.SIGHUP)
	}
	defer signal.Stop(signals)
	lines := newLogBuffer(os.Stderr)
	defer lines.Close()
	log := slog.New(logHandler(lines, s.logFormat.value, s.logLevel.value))
	cert, err := s.certificate(log)
	if err != nil {
		return err
	}
	trusted, err := networks(s.proxies)
	if err != nil {
		return err
	}
	mailer, err := s.mail.mailer()
	if err != nil {
		return err
	}
	data, err := openData(s.data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	if data.exposed() {
		log.Warn("everybody on this machine may read the hub's secrets; take that right away with chmod 600", "file", data.keysPath())
	}
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return fmt.Errorf("%w; choose another address with --listen", err)
	}
	defer listener.Close()
	public, err := s.public(listener.Addr())
	if err != nil {
		return err
	}
	h := data.hub(public)
	h.Options.OpenSignup, h.Options.AllowedHosts, h.Log = s.signup.value == "open", s.allowHosts, log
	h.Options.TrustedProxies = trusted
	h.Options.Builds = s.buildLimits
	h.Mailer, h.Options.Mail = mailer, mailer != nil
	if err := firstStart(ctx, h, out); err != nil {
		return err
	}
	builder, err := s.builder(ctx, h)
	if err != nil {
		return err
	}
	if err := data.announce(public.String()); err != nil {
		return err
	}
	site, err := console.Built()
	if err != nil {
		return err
	}
	m := newMetrics()
	data.measure(m)
	if builder != nil {
		m.gauge("berth_builds_running", "Image builds that run on this machine.", func() float64 { return float64(builder.Running()) })
	}
	server := newServer(web.Patient(routes.Handler(h, m.observe, append(routes.Console(site), m.route(log))...)), cert, log)
	log.Info("berth is ready", "version", version, "listen", listener.Addr().String(), "public_url", public.String(), "data", s.data)
	fmt.Fprintf(out, "Berth listens on %s and answers at %s\n", listener.Addr(), public)
	if s.publicURL == "" && everywhere(listener.Addr()) {
		fmt.Fprintln(out, "Only this machine can log in at that address: give the one that others use with --public-url.")
	}
	if site.Has() {
		fmt.Fprintf(out, "Its console is at %s/console/\n", public)
	}
	return s.until(ctx, signals, server, listener, h, builder)
}

// newServer is the HTTP server; with a certificate it speaks HTTP/2 too.
func newServer(handler http.Handler, cert *tls.Config, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 20 * time.Second,
		ReadTimeout:       web.Patience,
		WriteTimeout:      web.Patience,
		IdleTimeout:       3 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          golog.New(&serverLog{log: log}, "", 0),
		TLSConfig:         cert,
	}
}

// builder is what runs the hub's builds; nil where none are to be run. Builds that
// an earlier process of the hub ran have ended with it.
func (s *settings) builder(ctx context.Context, h *hub.Hub) (*local.Builder, error) {
	if err := h.LoseBuilds(ctx); err != nil {
		return nil, err
	}
	if s.builds == 0 {
		return nil, nil
	}
	b, err := local.NewBuilder(h, h.Log, filepath.Join(s.data, "builds"), s.builds)
	if err != nil {
		return nil, err
	}
	b.Program, b.Image = s.buildTool.value, s.builderImage
	h.Builder = b
	if err := b.Able(); err != nil {
		h.Log.Warn("each build will fail; --builds 0 leaves them waiting", "why", err.Error())
	}
	return b, nil
}

// until serves and keeps the schedules until a signal or ctx ends it.
func (s *settings) until(ctx context.Context, signals <-chan os.Signal, server *http.Server, listener net.Listener, h *hub.Hub, builder *local.Builder) error {
	work, stop := context.WithCancel(ctx)
	chores := keep(work, s.chores(h), h.RunOutbox, h.Log)
	defer chores.Wait() // after the last request, whose pulls they count
	if builder != nil {
		chores.Go(func() { builder.Run(work, h.Dispatch) })
	}
	defer stop()

	failed := make(chan error, 1)
	go func() {
		if server.TLSConfig != nil {
			failed <- server.ServeTLS(listener, "", "")
		} else {
			failed <- server.Serve(listener)
		}
	}()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	case got := <-signals:
		h.Log.Info("stopping", "signal", got.String(), "grace", s.grace.String())
	}
	return s.shutDown(server, signals, h.Log)
}

// shutDown lets running requests finish within the grace, unless a second signal comes.
func (s *settings) shutDown(server *http.Server, signals <-chan os.Signal, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.grace)
	defer cancel()
	go func() {
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := server.Shutdown(ctx)
	if err != nil {
		log.Warn("requests were cut off", "grace", s.grace.String())
		err = server.Close()
	}
	log.Info("stopped")
	return err
}

// networks reads the proxies' addresses and networks.
func networks(list []string) (all []netip.Prefix, err error) {
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if ip, bad := netip.ParseAddr(s); bad == nil {
			p, err = netip.PrefixFrom(ip, ip.BitLen()), nil
		}
		if err != nil {
			return nil, wrongUse("--trusted-proxy must be an address or a network such as 10.0.0.0/8, not %q", s)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

// public is the address at which clients reach the hub.
func (s *settings) public(at net.Addr) (*url.URL, error) {
	if s.publicURL == "" {
		host, port, err := net.SplitHostPort(at.String())
		if err != nil {
			return nil, err
		}
		if everywhere(at) {
			host = "localhost"
		}
		u := &url.URL{Scheme: "http", Host: net.JoinHostPort(host, port)}
		if s.tlsCert != "" {
			u.Scheme = "https"
		}
		return u, nil
	}
	u, err := url.Parse(s.publicURL)
	if err != nil {
		return nil, wrongUse("--public-url: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.User != nil || u.Path != "" && u.Path != "/" {
		return nil, wrongUse("--public-url must look like https://hub.example.com, not %s", u.Redacted())
	}
	u.Path = ""
	return u, nil
}

// everywhere reports whether a listener takes connections to all of the machine's addresses.
func everywhere(at net.Addr) bool {
	to, ok := at.(*net.TCPAddr)
	return ok && to.IP.IsUnspecified()
}

// firstStart makes the first account of a new hub.
func firstStart(ctx context.Context, h *hub.Hub, out io.Writer) error {
	given, made := os.Getenv("BERTH_ADMIN_PASSWORD"), rand.Text()
	created, err := h.EnsureAdministrator(ctx, func() string {
		if given != "" {
			return given
		}
		return made
	})
	var bad *hub.Error
	if errors.As(err, &bad) {
		return fmt.Errorf("BERTH_ADMIN_PASSWORD: %s", bad.Message)
	}
	if err != nil || !created {
		return err
	}
	if given != "" {
		_, err = fmt.Fprintf(out, "This is a new hub. Log in as %s with the password in BERTH_ADMIN_PASSWORD.\n", hub.FirstAdministrator)
		return err
	}
	_, err = fmt.Fprintf(out, "This is a new hub. Log in as %s; the password is shown this once:\n\n    %s\n\n", hub.FirstAdministrator, made)
	return err
}
