package cloudfront_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"berth/infra/cloudfront"
	"berth/shared/web"
)

// edge runs a function on an event, as CloudFront's runtime does, and returns what
// it hands on or answers.
func edge(t *testing.T, code, method, uri string, headers map[string]string) map[string]any {
	t.Helper()
	values := map[string]any{}
	for k, v := range headers {
		values[k] = map[string]string{"value": v}
	}
	event, err := json.Marshal(map[string]any{
		"version": "1.0", "context": map[string]any{"eventType": "viewer-request"}, "viewer": map[string]any{"ip": "192.0.2.1"},
		"request": map[string]any{"method": method, "uri": uri, "querystring": map[string]any{}, "headers": values, "cookies": map[string]any{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	node, err := filepath.Abs("../node/node_modules/.bin/node")
	if err != nil {
		t.Fatal(err)
	}
	program := code + "\nprocess.stdout.write(JSON.stringify(handler(" + string(event) + ")));"
	cmd := exec.Command(node, "-")
	cmd.Stdin = strings.NewReader(program)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: is Node there? `make node` installs it", err)
	}
	var answer map[string]any
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return answer
}

func TestUploads(t *testing.T) {
	const upload = "/v2/team/app/blobs/uploads/1"
	for _, test := range []struct {
		name, method, uri, length string
		refused                   bool
	}{
		{"a large piece", "PATCH", upload, "4500001", true},
		{"a large layer", "PUT", upload, "1073741824", true},
		{"a large layer in one request", "POST", "/v2/team/app/blobs/uploads/", "4500001", true},
		{"what a function takes", "PATCH", upload, "4500000", false},
		{"the end of an upload", "PUT", upload, "0", false},
		{"the beginning of one", "POST", "/v2/team/app/blobs/uploads/", "0", false},
		{"a chunked body", "PATCH", upload, "", false},
		{"a length that is none", "PATCH", upload, "much", false},
		{"where it stands", "GET", upload, "", false},
		{"HEAD", "HEAD", upload, "9999999", false},
		{"its end without a layer", "DELETE", upload, "9999999", false},
	} {
		headers := map[string]string{"host": "hub.example.com", "authorization": "Bearer x"}
		if test.length != "" {
			headers["content-length"] = test.length
		}
		got := edge(t, cloudfront.Uploads, test.method, test.uri, headers)
		if !test.refused {
			if got["method"] != test.method || got["uri"] != test.uri || !viewed(got, headers) {
				t.Errorf("%s does not go on as it came: %v", test.name, got)
			}
			continue
		}
		if got["statusCode"] != float64(413) || got["statusDescription"] == "" {
			t.Errorf("%s is answered %v", test.name, got)
			continue
		}
		body := got["body"].(map[string]any)
		var errs struct {
			Errors []struct{ Code, Message, Detail string }
		}
		if err := json.Unmarshal([]byte(body["data"].(string)), &errs); err != nil || len(errs.Errors) != 1 || body["encoding"] != "text" {
			t.Fatalf("%s: the body is not an error of the registry's: %v", test.name, body)
		}
		if e := errs.Errors[0]; e.Code != "SIZE_INVALID" || !strings.Contains(e.Message, "4500000") || !strings.Contains(e.Detail, "berth push") {
			t.Errorf("%s: the error is %+v", test.name, e)
		}
		kind := got["headers"].(map[string]any)["content-type"].(map[string]any)["value"]
		if kind != "application/json" {
			t.Errorf("%s: the body is of type %v", test.name, kind)
		}
	}
}

// viewed reports whether a request goes on with the headers that it had and the
// viewer's address, whatever they say of it.
func viewed(request map[string]any, headers map[string]string) bool {
	want := map[string]any{}
	for k, v := range headers {
		want[k] = map[string]any{"value": v}
	}
	want[viewerHeader] = map[string]any{"value": "192.0.2.1"}
	return reflect.DeepEqual(request["headers"], want)
}

// viewerHeader is as CloudFront's functions write headers.
var viewerHeader = strings.ToLower(web.ViewerHeader)

func TestViewer(t *testing.T) {
	for _, headers := range []map[string]string{
		{"host": "hub.example.com", "authorization": "Bearer x"},
		{"host": "hub.example.com", viewerHeader: "203.0.113.9", "x-forwarded-for": "203.0.113.9"},
	} {
		got := edge(t, cloudfront.Viewer, "POST", "/v1/generate-api-token/", headers)
		if got["method"] != "POST" || got["uri"] != "/v1/generate-api-token/" || !viewed(got, headers) {
			t.Errorf("what goes on is %v", got)
		}
	}
}

// CloudFront takes 10 KB of code.
func TestSize(t *testing.T) {
	for _, code := range []string{cloudfront.Viewer, cloudfront.Uploads} {
		if n := len(code); n > 10<<10 {
			t.Errorf("a function has %d bytes", n)
		}
	}
}
