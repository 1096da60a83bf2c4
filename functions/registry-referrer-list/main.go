// Command registry-referrer-list is the function of that name.
package main

import "berth/shared/cloud"

func main() { cloud.Start("registry-referrer-list", cloud.WithLayers) }
