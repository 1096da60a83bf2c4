// Command step-record is the function of that name.
package main

import "berth/shared/cloud"

func main() { cloud.StartEvent("step-record") }
