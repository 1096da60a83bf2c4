// Command event-webhooks is the function of that name.
package main

import "berth/shared/cloud"

func main() { cloud.StartEvent("event-webhooks") }
