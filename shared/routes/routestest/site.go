package routestest

import (
	"bytes"
	"compress/gzip"
	"io"
	"testing/fstest"

	"berth/console"
	"berth/shared/routes"
)

// Console are the routes of a small console, which no build changes.
var Console = routes.Console(site())

func site() console.Site {
	files := fstest.MapFS{}
	for name, text := range map[string]string{"index.html": "<!doctype html>", "assets/console-7.js": `document.title = "Berth"`} {
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, gzip.NoCompression) // packed alike by every version of Go
		io.WriteString(z, text)
		z.Close()
		files[name+".gz"] = &fstest.MapFile{Data: b.Bytes()}
	}
	s, err := console.Open(files)
	if err != nil {
		panic(err)
	}
	return s
}
