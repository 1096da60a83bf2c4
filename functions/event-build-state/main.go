// Command event-build-state is the function of that name.
package main

import (
	"berth/shared/cloud"
	"berth/shared/cloud/machine"
	"berth/shared/cloud/queues"
)

func main() { cloud.StartEvent("event-build-state", machine.WithBuilds, queues.With) }
