// Package statemachine holds the definitions of Step Functions' state machines.
package statemachine

import _ "embed"

// Build takes one build from its start to its end. Its input is {"build_id":…}. In
// ${…} are the names of what it calls.
//
//go:embed build.asl.json
var Build string
