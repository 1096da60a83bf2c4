// Command secret-put is the function of that name.
package main

import (
	"berth/shared/cloud"
	"berth/shared/cloud/sealing"
)

func main() { cloud.Start("secret-put", sealing.WithKMS) }
