// Command event-builds is the function of that name.
package main

import (
	"berth/shared/cloud"
	"berth/shared/cloud/machine"
)

func main() { cloud.StartEvent("event-builds", machine.WithBuilds) }
