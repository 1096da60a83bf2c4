package cloud

import (
	"io"
	"net"
	"net/http"
	"time"
)

// HTTPClient makes the client that AWS calls of Berth go through. It gives an
// attempt up when no answer has begun a while after the request was sent, so that
// it can be repeated: 5 seconds suit DynamoDB, 30 S3.
func HTTPClient(patience time.Duration) *http.Client {
	return &http.Client{Transport: plainBody{&http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 3 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   3 * time.Second,
		ResponseHeaderTimeout: patience,
		ExpectContinueTimeout: time.Second,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          256,
		MaxIdleConnsPerHost:   256,
		IdleConnTimeout:       90 * time.Second,
	}}}
}

// plainBody hides all but Read and Close of a request's body. The SDK's body has
// a WriteTo that may report io.EOF; net/http then closes the connection amid the
// answer, and a call that was done looks as if it had failed.
type plainBody struct{ next http.RoundTripper }

func (t plainBody) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil && req.Body != http.NoBody {
		plain := *req
		plain.Body = struct{ io.ReadCloser }{req.Body}
		req = &plain
	}
	return t.next.RoundTrip(req)
}
