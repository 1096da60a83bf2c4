// Command event-webhooks is the function of that name.
package main

import (
	"berth/shared/cloud"
	"berth/shared/cloud/queues"
	"berth/shared/cloud/sealing"
)

func main() { cloud.StartEvent("event-webhooks", sealing.WithKMS, queues.With) }
