package web

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/url"

	"berth/shared/hub"
)

// maxParts is the most parts a multipart form may have.
const maxParts = 100

// parseMultipart reads a multipart form whose parts are all plain values.
func parseMultipart(body []byte, boundary string) (url.Values, error) {
	if boundary == "" {
		return nil, hub.Fail(hub.BadRequest, "the multipart form has no boundary")
	}
	if !bytes.Contains(body, []byte("--"+boundary+"--")) {
		return nil, hub.Fail(hub.BadRequest, "the multipart form is damaged or cut off")
	}
	values := make(url.Values)
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	for n := 0; ; n++ {
		part, err := r.NextPart()
		if err == io.EOF {
			return values, nil
		}
		if err != nil {
			return nil, hub.Fail(hub.BadRequest, "the multipart form is damaged or cut off")
		}
		if n == maxParts {
			return nil, hub.Fail(hub.BadRequest, "the multipart form has more than %d parts", maxParts)
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return nil, hub.Fail(hub.BadRequest, "the multipart form is damaged or cut off")
		}
		values.Add(part.FormName(), string(value))
	}
}
