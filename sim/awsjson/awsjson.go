// Package awsjson serves the protocol of those AWS services whose calls are all
// POST /, with the operation in X-Amz-Target and JSON both ways.
package awsjson

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// Error is how a service refuses a call. Status is 400 unless given.
type Error struct {
	Code, Message string
	Status        int
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Service answers operations by their names.
type Service map[string]Operation

// Operation answers one operation: from JSON to what is to be sent as JSON.
type Operation func(ctx context.Context, body []byte) (any, error)

// Op is the operation that f does.
func Op[In, Out any](f func(context.Context, *In) (Out, error)) Operation {
	return func(ctx context.Context, body []byte) (any, error) {
		in := new(In)
		if err := json.Unmarshal(body, in); err != nil {
			return nil, &Error{Code: "SerializationException", Message: err.Error()}
		}
		return f(ctx, in)
	}
}

// Target is the operation that a request names.
func Target(r *http.Request) string {
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	return op
}

// ServeHTTP implements http.Handler.
func (s Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 20<<20))
	var out any
	op, ok := s[Target(r)]
	switch {
	case err != nil:
	case !ok:
		err = &Error{Code: "UnknownOperationException", Message: "this simulation does not know " + r.Header.Get("X-Amz-Target")}
	default:
		out, err = op(r.Context(), body)
	}
	if err != nil {
		Refuse(w, err)
		return
	}
	b, err := json.Marshal(out)
	if err != nil {
		Refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Write(b)
}

// Refuse answers with an error.
func Refuse(w http.ResponseWriter, err error) {
	e := &Error{"InternalFailure", err.Error(), http.StatusInternalServerError}
	errors.As(err, &e)
	if e.Status == 0 {
		e.Status = http.StatusBadRequest
	}
	b, _ := json.Marshal(map[string]string{"__type": e.Code, "message": e.Message, "Message": e.Message})
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Errortype", e.Code)
	w.WriteHeader(e.Status)
	w.Write(b)
}
