// Command gc-run is the function of that name.
package main

import "berth/shared/cloud"

func main() { cloud.Start("gc-run", cloud.WithLayers) }
