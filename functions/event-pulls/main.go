// Command event-pulls is the function of that name.
package main

import "berth/shared/cloud"

func main() { cloud.StartEvent("event-pulls") }
