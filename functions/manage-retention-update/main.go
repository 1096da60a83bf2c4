// Command manage-retention-update is the function of that name.
package main

import "berth/shared/cloud"

func main() { cloud.Start("manage-retention-update") }
