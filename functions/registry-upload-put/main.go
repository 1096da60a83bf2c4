// Command registry-upload-put is the function of that name.
package main

import "berth/shared/cloud"

func main() { cloud.Start("registry-upload-put", cloud.WithLayers) }
