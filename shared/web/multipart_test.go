package web

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"berth/shared/hub"
)

func multipartForm(fields ...string) (body []byte, boundary string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		w.WriteField(fields[i], fields[i+1])
	}
	w.Close()
	return b.Bytes(), w.Boundary()
}

func TestMultipart(t *testing.T) {
	body, boundary := multipartForm("repository", "busybox", "is_public", "true", "repository", "last")
	values, err := parseMultipart(body, boundary)
	want := url.Values{"repository": {"busybox", "last"}, "is_public": {"true"}}
	if err != nil || !reflect.DeepEqual(values, want) {
		t.Fatalf("%v, %v; want %v", values, err, want)
	}
	var in struct {
		Repository string `json:"repository"`
		IsPublic   *bool  `json:"is_public"`
		Missing    *int   `json:"missing"`
	}
	if err := DecodeValues(values, &in); err != nil || in.Repository != "last" || in.IsPublic == nil || !*in.IsPublic || in.Missing != nil {
		t.Errorf("decoded %+v, %v", in, err)
	}
	for end := range len(body) - 4 { // without its last line and its newline it is whole
		if _, err := parseMultipart(body[:end], boundary); !isBad(err) {
			t.Fatalf("cut off after %d of %d bytes: %v", end, len(body), err)
		}
	}
	many := []string{}
	for range maxParts + 1 {
		many = append(many, "a", "b")
	}
	body, boundary = multipartForm(many...)
	if _, err := parseMultipart(body, boundary); !isBad(err) || !strings.Contains(err.Error(), "100 parts") {
		t.Errorf("%d parts: %v", maxParts+1, err)
	}
	if _, err := parseMultipart(body, ""); !isBad(err) {
		t.Errorf("without a boundary: %v", err)
	}
}

func isBad(err error) bool {
	var e *hub.Error
	return errors.As(err, &e) && e.Code == hub.BadRequest
}

// Whatever the bytes, a form is read or refused; what was read can be written and
// read again.
func FuzzMultipart(f *testing.F) {
	body, boundary := multipartForm("repository", "busybox", "is_public", "true", "", "", "a\"b", "\r\n--")
	f.Add(body, boundary)
	f.Add([]byte("--X\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=41\r\n--X--"), "X")
	f.Add([]byte("--X--"), "X")
	f.Add([]byte("--X\r\n\r\n"), "X")
	f.Fuzz(func(t *testing.T, body []byte, boundary string) {
		values, err := parseMultipart(body, boundary)
		if err != nil {
			if !isBad(err) {
				t.Fatalf("%v", err)
			}
			return
		}
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for name, list := range values {
			if strings.ContainsAny(name, "\r\n\"\\") || name != strings.ToValidUTF8(name, "") {
				return // is written in another form
			}
			for _, v := range list {
				part, _ := w.CreateFormField(name)
				io.WriteString(part, v)
			}
		}
		w.Close()
		again, err := parseMultipart(b.Bytes(), w.Boundary())
		if err != nil || !reflect.DeepEqual(again, values) {
			t.Fatalf("%q, written and read again: %q, %v", values, again, err)
		}
	})
}
