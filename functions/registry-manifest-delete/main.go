// Command registry-manifest-delete is the function of that name.
package main

import "berth/shared/cloud"

func main() { cloud.Start("registry-manifest-delete", cloud.WithLayers) }
