// Command retention-run is the function of that name.
package main

import "berth/shared/cloud"

func main() { cloud.Start("retention-run") }
