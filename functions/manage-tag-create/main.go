// Command manage-tag-create is the function of that name.
package main

import (
	"berth/shared/cloud"
	"berth/shared/cloud/queues"
)

func main() { cloud.Start("manage-tag-create", queues.With) }
