// Package cloudfront holds the code that runs at CloudFront's edge: viewer-request
// functions of runtime cloudfront-js-2.0.
package cloudfront

import _ "embed"

//go:embed viewer.js
var viewer string

//go:embed uploads.js
var uploads string

// Viewer tells the hub the address of whoever asks, in the header web.ViewerHeader.
var Viewer = viewer + "\nfunction handler(event) { return named(event); }\n"

// Uploads does so too, and refuses uploads that are too large for a function, where
// no service takes them.
var Uploads = viewer + "\n" + uploads
