// Command registry-manifest-get is the function of that operation.
package main

import "berth/shared/cloud"

func main() { cloud.Start("registry-manifest-get") }
