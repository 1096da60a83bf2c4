// Command home is the function of that name.
package main

import (
	"berth/shared/cloud"
	"berth/shared/cloud/site"
)

func main() { cloud.Start("home", site.With) }
