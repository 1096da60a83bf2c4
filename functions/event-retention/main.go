// Command event-retention is the function of that name.
package main

import "berth/shared/cloud"

func main() { cloud.StartEvent("event-retention") }
