package sim

import (
	"net/http/httptest"

	"berth/shared/web"
	"berth/sim/sqs"
	"berth/sim/template"
)

// QueueNames are the names that the simulated account gives Berth's queues. What
// cannot be handled goes to one whose name ends in -dead.
var QueueNames = map[web.Queue]string{web.Webhooks: "berth-webhooks", web.Mail: "berth-mail", web.Pulls: "berth-pulls"}

// StartSQS runs Berth's queues until they are stopped, and tells where they answer
// and the address of each. A message that was received in vain comes again at once.
func StartSQS() (q *sqs.SQS, url string, addresses map[web.Queue]string, stop func()) {
	var all []sqs.Queue
	addresses = map[web.Queue]string{}
	for queue, name := range QueueNames {
		all = append(all, sqs.Queue{Name: name, Dead: name + "-dead", Most: 20}, sqs.Queue{Name: name + "-dead"})
		addresses[queue] = template.QueueURL(name)
	}
	q = sqs.New(0, all...)
	server := httptest.NewServer(q)
	return q, server.URL, addresses, server.Close
}
