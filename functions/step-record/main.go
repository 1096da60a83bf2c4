// Command step-record is the function of that name.
package main

import (
	"berth/shared/cloud"
	"berth/shared/cloud/machine"
)

func main() { cloud.StartEvent("step-record", machine.WithBuilds) }
