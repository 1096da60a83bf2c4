// Command admin-account-list is the function of that name.
package main

import "berth/shared/cloud"

func main() { cloud.Start("admin-account-list") }
