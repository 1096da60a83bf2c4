// Command account-register is the function of that name.
package main

import "berth/shared/cloud"

func main() { cloud.Start("account-register") }
