// Package cloudfront holds the code that runs at CloudFront's edge.
package cloudfront

import _ "embed"

// Uploads refuses uploads that are too large for a function, where no service takes
// them. It is a viewer-request function of runtime cloudfront-js-2.0.
//
//go:embed uploads.js
var Uploads string
