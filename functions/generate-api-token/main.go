// Command generate-api-token is the function of that name.
package main

import "berth/shared/cloud"

func main() { cloud.Start("generate-api-token") }
