// Command step-record is the function of that name.
package main

import (
	"berth/shared/cloud"
	"berth/shared/cloud/machine"
	"berth/shared/cloud/queues"
)

func main() { cloud.StartEvent("step-record", machine.WithBuilds, queues.With) }
