// Command manage-namespace-access-create is the function of that name.
package main

import "berth/shared/cloud"

func main() { cloud.Start("manage-namespace-access-create") }
