// Command manage-repository-access-update is the function of that name.
package main

import "berth/shared/cloud"

func main() { cloud.Start("manage-repository-access-update") }
