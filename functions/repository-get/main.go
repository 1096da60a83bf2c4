// Command repository-get is the function of that name.
package main

import (
	"berth/shared/cloud"
	"berth/shared/cloud/sealing"
)

func main() { cloud.Start("repository-get", sealing.WithKMS) }
