// Command registry-manifest-get is the function of that name.
package main

import (
	"berth/shared/cloud"
	"berth/shared/cloud/queues"
)

func main() { cloud.Start("registry-manifest-get", cloud.WithLayers, queues.With) }
