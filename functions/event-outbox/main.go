// Command event-outbox is the function of that name.
package main

import (
	"berth/shared/cloud"
	"berth/shared/cloud/queues"
)

func main() { cloud.StartEvent("event-outbox", queues.With) }
