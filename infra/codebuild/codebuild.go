// Package codebuild holds what CodeBuild is to do.
package codebuild

import _ "embed"

// Buildspec starts the runner, which is its source, in a machine of its own.
//
//go:embed buildspec.json
var Buildspec string
