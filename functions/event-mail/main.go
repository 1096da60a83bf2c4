// Command event-mail is the function of that name.
package main

import (
	"berth/shared/cloud"
	"berth/shared/cloud/queues"
	"berth/shared/cloud/ses"
)

func main() { cloud.StartEvent("event-mail", queues.With, ses.With) }
