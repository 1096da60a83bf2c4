package main

import (
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"time"

	"berth/shared/web"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics counts requests. What a request changes is looked up at the first
// request of its route and status; after that it costs a few atomic adds.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec // by route and status
	seconds  *prometheus.HistogramVec
	sent     *prometheus.CounterVec
	received *prometheus.CounterVec
	routes   sync.Map // string → *routeMetrics
}

type routeMetrics struct {
	seconds  prometheus.Observer
	sent     prometheus.Counter
	received prometheus.Counter
	statuses sync.Map // int → prometheus.Counter
}

func newMetrics() *metrics {
	byRoute := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"route"})
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "berth_http_requests_total", Help: "Requests answered, by operation and status."}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "berth_http_request_duration_seconds", Help: "Time from a request's head to the end of its answer, by operation.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 120}}, []string{"route"}),
		sent:     byRoute("berth_http_sent_bytes_total", "Bytes of answers' bodies, by operation."),
		received: byRoute("berth_http_received_bytes_total", "Bytes of requests' bodies, by operation."),
	}
	m.registry.MustRegister(m.requests, m.seconds, m.sent, m.received,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	about := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "berth_build_info", Help: "1, with which Berth this is."},
		[]string{"version", "commit", "goversion"})
	about.WithLabelValues(version, commit, runtime.Version()).Set(1)
	m.registry.MustRegister(about)
	return m
}

// of finds what a route counts with. Routes are few and named by the table, so
// nobody outside can make many.
func (m *metrics) of(route string) *routeMetrics {
	if r, ok := m.routes.Load(route); ok {
		return r.(*routeMetrics)
	}
	r, _ := m.routes.LoadOrStore(route, &routeMetrics{
		seconds: m.seconds.WithLabelValues(route), sent: m.sent.WithLabelValues(route), received: m.received.WithLabelValues(route),
	})
	return r.(*routeMetrics)
}

// observe is a web.Observer.
func (m *metrics) observe(a web.Answered) {
	r := m.of(a.Route)
	c, ok := r.statuses.Load(a.Status)
	if !ok {
		c, _ = r.statuses.LoadOrStore(a.Status, m.requests.WithLabelValues(a.Route, strconv.Itoa(a.Status)))
	}
	c.(prometheus.Counter).Inc()
	r.seconds.Observe(a.Took.Seconds())
	r.sent.Add(float64(a.Sent))
	r.received.Add(float64(a.Received))
}

// gauge is a number that is looked up when somebody asks for the metrics.
func (m *metrics) gauge(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// route shows the metrics to Prometheus.
func (m *metrics) route(log *slog.Logger) web.Route {
	serve := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), Timeout: 30 * time.Second,
	})
	return web.Route{
		Name: "metrics", Surface: web.Operator, Method: http.MethodGet, Pattern: "/metrics", Rule: web.Open,
		Doc: web.Doc{Summary: "What the hub has counted, for Prometheus", BytesOut: true, Answers: map[int]any{200: nil}},
		Handle: func(c *web.Call) error {
			serve.ServeHTTP(c.W, c.R)
			return nil
		},
	}
}
