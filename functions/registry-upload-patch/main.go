// Command registry-upload-patch is the function of that name.
package main

import "berth/shared/cloud"

func main() { cloud.Start("registry-upload-patch", cloud.WithLayers) }
