// Command code-hook is the function of that name.
package main

import (
	"berth/shared/cloud"
	"berth/shared/cloud/machine"
	"berth/shared/cloud/queues"
	"berth/shared/cloud/sealing"
)

func main() { cloud.Start("code-hook", machine.WithBuilds, sealing.WithKMS, queues.With) }
