// Command manage-retention-create is the function of that name.
package main

import "berth/shared/cloud"

func main() { cloud.Start("manage-retention-create") }
