// Command tag-list is the function of that name.
package main

import "berth/shared/cloud"

func main() { cloud.Start("tag-list") }
