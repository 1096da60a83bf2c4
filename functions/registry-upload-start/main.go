// Command registry-upload-start is the function of that name.
package main

import "berth/shared/cloud"

func main() { cloud.Start("registry-upload-start", cloud.WithLayers) }
