// Command build-report is the function of that name.
package main

import (
	"berth/shared/cloud"
	"berth/shared/cloud/machine"
	"berth/shared/cloud/queues"
)

func main() { cloud.Start("build-report", machine.WithBuilds, queues.With) }
