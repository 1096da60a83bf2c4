// Command build-delete is the function of that name.
package main

import (
	"berth/shared/cloud"
	"berth/shared/cloud/machine"
	"berth/shared/cloud/queues"
)

func main() { cloud.Start("build-delete", machine.WithBuilds, queues.With) }
