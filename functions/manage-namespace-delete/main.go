// Command manage-namespace-delete is the function of that name.
package main

import "berth/shared/cloud"

func main() { cloud.Start("manage-namespace-delete") }
