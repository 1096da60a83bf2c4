// Command registry-manifest-put is the function of that name.
package main

import (
	"berth/shared/cloud"
	"berth/shared/cloud/queues"
)

func main() { cloud.Start("registry-manifest-put", cloud.WithLayers, queues.With) }
