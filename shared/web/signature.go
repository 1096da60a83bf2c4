package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/shared/hub"
)

// The signature of the vendor's SDKs, as their public Go SDK (v3) makes it:
//
//	Authorization: SDK-HMAC-SHA256 Access=ID, SignedHeaders=a;b, Signature=HEX
//	X-Sdk-Date: 20060102T150405Z
//
// The signature is the HMAC-SHA256 by the secret key of "SDK-HMAC-SHA256", the
// date and the SHA-256 of the canonical request, one a line; the canonical request
// is method, path, query, headers, names of headers and SHA-256 of the body, one a
// line. Where the host is signed, it is the public address's. A body is always
// bound: what the SDKs call UNSIGNED-PAYLOAD is refused.
const (
	signatureAlgorithm = "SDK-HMAC-SHA256"
	signatureDate      = "20060102T150405Z"
	bodyHashHeader     = "X-Sdk-Content-Sha256"
	maxSignedHeaders   = 50
)

// signed reads the signature of a request. It takes the body in, up to [MaxBody],
// and puts it back.
func signed(c hub.Credentials, r *http.Request, host string) (hub.Credentials, error) {
	a, err := parseSignature(r.Header.Get("Authorization"))
	if err != nil {
		return c, err
	}
	date, err := time.Parse(signatureDate, r.Header.Get("X-Sdk-Date"))
	if err != nil {
		return c, badSignature("X-Sdk-Date must be a time like " + signatureDate)
	}
	if !slices.Contains(a.headers, "x-sdk-date") {
		return c, badSignature("X-Sdk-Date must be among the signed headers")
	}
	sum, err := bodyHash(r)
	if err != nil {
		return c, err
	}
	canonical, err := canonicalRequest(r, a.headers, host, sum)
	if err != nil {
		return c, err
	}
	whole := sha256.Sum256([]byte(canonical))
	c.Method = hub.BySignature
	c.Signed = hub.Signed{
		KeyID: a.access, Date: date, MAC: a.mac,
		Text: signatureAlgorithm + "\n" + date.Format(signatureDate) + "\n" + hex.EncodeToString(whole[:]),
	}
	return c, nil
}

func badSignature(what string) error {
	return hub.Fail(hub.Unauthenticated, "the signature is not valid: %s", what)
}

type signatureHeader struct {
	access  string
	headers []string // lower case
	mac     []byte
}

// parseSignature takes the Authorization header apart.
func parseSignature(header string) (s signatureHeader, err error) {
	_, rest, _ := strings.Cut(header, " ")
	var sum string
	for part := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case ok && name == "Access" && s.access == "":
			s.access = value
		case ok && name == "SignedHeaders" && s.headers == nil:
			s.headers = strings.Split(value, ";")
		case ok && name == "Signature" && sum == "":
			sum = value
		default:
			return s, badSignature("the header must be " + signatureAlgorithm + " Access=…, SignedHeaders=…, Signature=…")
		}
	}
	if s.mac, err = hex.DecodeString(sum); err != nil || len(s.mac) != sha256.Size {
		return s, badSignature("Signature must be 64 hexadecimal digits")
	}
	if len(s.headers) > maxSignedHeaders {
		return s, badSignature(fmt.Sprintf("at most %d headers may be signed", maxSignedHeaders))
	}
	for _, name := range s.headers {
		if name == "" || name != strings.ToLower(name) || strings.ContainsAny(name, " \r\n:") {
			return s, badSignature("SignedHeaders must be names in lower case with semicolons between them")
		}
	}
	return s, nil
}

// bodyHash is the SHA-256 of the request's body, in hex.
func bodyHash(r *http.Request) (string, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	if err != nil {
		return "", hub.Fail(hub.BadRequest, "the body ended too early")
	}
	if len(body) > MaxBody {
		return "", hub.Fail(hub.TooLarge, "the body may have at most %d bytes", MaxBody)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	sum := sha256.Sum256(body)
	text := hex.EncodeToString(sum[:])
	if given := r.Header.Get(bodyHashHeader); given != "" && given != text {
		return "", badSignature(bodyHashHeader + " is not the SHA-256 of the body; the hub takes no unsigned bodies, so send JSON")
	}
	return text, nil
}

// canonicalRequest writes the request as the signer saw it.
func canonicalRequest(r *http.Request, headers []string, host, bodySum string) (string, error) {
	query, err := canonicalQuery(r.URL.RawQuery)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(r.Method + "\n" + canonicalPath(r.URL.Path) + "\n" + query + "\n")
	for _, name := range headers {
		values := slices.Clone(r.Header.Values(name))
		switch {
		case name == "host":
			values = []string{host}
		case name == "content-length" && len(values) == 0 && r.ContentLength >= 0:
			values = []string{strconv.FormatInt(r.ContentLength, 10)}
		}
		if len(values) == 0 {
			return "", badSignature("the signed header " + name + " did not arrive")
		}
		slices.Sort(values)
		for _, v := range values {
			b.WriteString(name + ":" + strings.TrimSpace(v) + "\n")
		}
	}
	b.WriteString("\n" + strings.Join(headers, ";") + "\n" + bodySum)
	return b.String(), nil
}

// canonicalPath escapes each segment, and ends in a slash.
func canonicalPath(path string) string {
	segments := strings.Split(strings.TrimSuffix(path, "/"), "/")
	for i, s := range segments {
		segments[i] = escape(s)
	}
	return strings.Join(segments, "/") + "/"
}

// canonicalQuery sorts the parameters by name, and one name's by value.
func canonicalQuery(raw string) (string, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return "", hub.Fail(hub.BadRequest, "the query is not valid: %v", err)
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	var pairs []string
	for _, name := range names {
		of := slices.Clone(values[name])
		slices.Sort(of)
		for _, v := range of {
			pairs = append(pairs, escape(name)+"="+escape(v))
		}
	}
	return strings.Join(pairs, "&"), nil
}

// escape writes every byte but the unreserved ones of RFC 3986 as %XX.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("_-~.", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
