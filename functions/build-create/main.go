// Command build-create is the function of that name.
package main

import (
	"berth/shared/cloud"
	"berth/shared/cloud/machine"
)

func main() { cloud.Start("build-create", machine.WithBuilds) }
