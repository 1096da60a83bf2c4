// Command build-claim is the function of that name.
package main

import (
	"berth/shared/cloud"
	"berth/shared/cloud/sealing"
)

func main() { cloud.Start("build-claim", sealing.WithKMS) }
