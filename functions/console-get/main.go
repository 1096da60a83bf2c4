// Command console-get is the function of that name.
package main

import (
	"berth/shared/cloud"
	"berth/shared/cloud/site"
)

func main() { cloud.Start("console-get", site.With) }
