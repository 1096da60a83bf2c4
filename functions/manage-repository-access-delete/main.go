// Command manage-repository-access-delete is the function of that name.
package main

import "berth/shared/cloud"

func main() { cloud.Start("manage-repository-access-delete") }
