// Command manage-secret-create is the function of that name.
package main

import "berth/shared/cloud"

func main() { cloud.Start("manage-secret-create") }
