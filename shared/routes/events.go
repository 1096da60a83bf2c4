package routes

import (
	"time"

	"berth/shared/store"
	"berth/shared/web"
)

// Event is a function on AWS that no HTTP request reaches: it is called by one
// trigger. On one machine the hub's own loops do the same work.
type Event struct {
	Name    string // the folder under functions/
	About   string
	Trigger Trigger
	Needs   web.Needs
	Sends   bool // sends e-mail
	Timeout time.Duration
}

// Trigger is what calls a function; one of its fields is set.
type Trigger struct {
	Queue   web.Queue     // a batch of the queue's messages
	Every   time.Duration // a schedule
	Builds  bool          // events of builds: of CodeBuild, of Step Functions and the hub's own
	Machine bool          // a state of the state machine
}

// Events returns every function that is not a route.
func Events() []Event {
	builds := []store.Table{store.Repositories, store.Builds}
	return []Event{{
		Name: "event-webhooks", About: "sends what waits for webhooks", Trigger: Trigger{Queue: web.Webhooks},
		Needs:   web.Needs{Write: []store.Table{store.Repositories, store.Builds}, Secrets: true, Sends: []web.Queue{web.Webhooks}},
		Timeout: time.Minute,
	}, {
		Name: "event-mail", About: "sends what waits to be mailed", Trigger: Trigger{Queue: web.Mail}, Sends: true,
		Needs:   web.Needs{Read: []store.Table{store.Repositories}, Write: []store.Table{store.Builds}, Sends: []web.Queue{web.Mail}},
		Timeout: time.Minute,
	}, {
		Name: "event-pulls", About: "counts pulls", Trigger: Trigger{Queue: web.Pulls},
		Needs:   web.Needs{Write: []store.Table{store.Repositories, store.Tags}},
		Timeout: time.Minute,
	}, {
		Name: "event-outbox", About: "hints at what was left in the outbox", Trigger: Trigger{Every: 5 * time.Minute},
		Needs:   web.Needs{Read: []store.Table{store.Builds}, Sends: []web.Queue{web.Webhooks, web.Mail}},
		Timeout: time.Minute,
	}, {
		Name: "event-sweep", About: "removes what nothing refers to", Trigger: Trigger{Every: time.Hour},
		Needs:   web.Needs{Write: store.Tables, Layers: web.WriteLayers},
		Timeout: 15 * time.Minute,
	}, {
		Name: "event-retention", About: "applies retention policies", Trigger: Trigger{Every: 24 * time.Hour},
		Needs:   web.Needs{Write: []store.Table{store.Repositories, store.Tags}},
		Timeout: 15 * time.Minute,
	}, {
		Name: "event-builds", About: "ends builds that were lost sight of, and starts what may start", Trigger: Trigger{Every: 5 * time.Minute},
		Needs:   web.Needs{Write: builds, Builds: true, Sends: []web.Queue{web.Webhooks, web.Mail}},
		Timeout: 5 * time.Minute,
	}, {
		Name: "event-build-state", About: "looks at a build that something happened to", Trigger: Trigger{Builds: true},
		Needs:   web.Needs{Write: builds, Builds: true, Sends: []web.Queue{web.Webhooks, web.Mail}},
		Timeout: time.Minute,
	}, {
		Name: "step-prepare", About: "begins a build", Trigger: Trigger{Machine: true},
		Needs:   web.Needs{Write: []store.Table{store.Builds}},
		Timeout: 30 * time.Second,
	}, {
		Name: "step-record", About: "ends a build", Trigger: Trigger{Machine: true},
		Needs:   web.Needs{Write: builds, Builds: true, Sends: []web.Queue{web.Webhooks, web.Mail}},
		Timeout: 30 * time.Second,
	}}
}
