// Command token-create is the function of that name.
package main

import "berth/shared/cloud"

func main() { cloud.Start("token-create") }
