// Command manage-namespace-list is the function of that name.
package main

import "berth/shared/cloud"

func main() { cloud.Start("manage-namespace-list") }
