package dynamodb

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// ServeHTTP answers one operation, which the header X-Amz-Target names. No
// signature is checked.
func (d *DB) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 20<<20))
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if d.fault.hit(lostRequest) {
		if d.fault.pick(2) == 0 {
			breakOff(w, nil)
		}
		send(w, nil, internal)
		return
	}
	var out any
	if err == nil {
		out, err = d.Do(op, body)
	}
	if d.fault.hit(lostAnswer) {
		switch d.fault.pick(3) {
		case 0:
			breakOff(w, nil)
		case 1:
			err = internal
		case 2:
			if err == nil {
				b, _ := json.Marshal(out)
				w.Header().Set("Content-Length", strconv.Itoa(len(b)))
				breakOff(w, b)
			}
		}
	}
	if m, ok := out.(metered); ok {
		m.tell(w.Header())
	}
	send(w, out, err)
}

func send(w http.ResponseWriter, out any, err error) {
	status := http.StatusOK
	if err != nil {
		e := internal
		if !errors.As(err, &e) {
			e = &Err{Code: internal.Code, Msg: err.Error(), Status: internal.Status}
		}
		if status = e.Status; status == 0 {
			status = http.StatusBadRequest
		}
		m := map[string]any{"__type": "com.amazonaws.dynamodb.v20120810#" + e.Code, "message": e.Msg, "Message": e.Msg}
		for k, v := range e.Extra {
			m[k] = v
		}
		out = m
	}
	b, _ := json.Marshal(out)
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(status)
	w.Write(b)
}

// Do performs one operation on its JSON body and returns what is to be sent as JSON.
func (d *DB) Do(op string, body []byte) (any, error) {
	refused := d.refuse(op)
	if op == "TransactWriteItems" {
		return d.transactWrite(body, refused)
	}
	if refused != nil {
		return nil, refused
	}
	switch op {
	case "PutItem":
		return call(body, d.writeAs("put"))
	case "UpdateItem":
		return call(body, d.writeAs("update"))
	case "DeleteItem":
		return call(body, d.writeAs("delete"))
	case "GetItem":
		return call(body, d.getItem)
	case "TransactGetItems":
		return call(body, d.transactGet)
	case "Query":
		return call(body, d.query)
	case "Scan":
		return call(body, func(q *queryReq) (any, error) { q.scan = true; return d.query(q) })
	case "BatchGetItem":
		return call(body, d.batchGet)
	case "BatchWriteItem":
		return call(body, d.batchWrite)
	case "CreateTable":
		return call(body, d.create)
	case "DeleteTable":
		return call(body, d.drop)
	case "ListTables":
		return d.list(), nil
	case "DescribeTable":
		return call(body, d.describe)
	case "UpdateTable":
		return call(body, d.update)
	case "UpdateTimeToLive":
		return call(body, d.setTTL)
	case "DescribeTimeToLive":
		return call(body, d.describeTTL)
	}
	return nil, &Err{Code: "UnknownOperationException", Msg: op}
}

// call reads the body as what f takes.
func call[In any](body []byte, f func(*In) (any, error)) (any, error) {
	in := new(In)
	if err := json.Unmarshal(body, in); err != nil {
		return nil, &Err{Code: "SerializationException", Msg: err.Error()}
	}
	return f(in)
}

// InProc is an http.RoundTripper that calls a handler without a socket. A handler
// that aborts is a broken connection.
type InProc struct{ H http.Handler }

type recorder struct {
	h      http.Header
	b      bytes.Buffer
	status int
}

func (r *recorder) Header() http.Header         { return r.h }
func (r *recorder) WriteHeader(s int)           { r.status = s }
func (r *recorder) Write(b []byte) (int, error) { return r.b.Write(b) }

// RoundTrip implements http.RoundTripper.
func (t InProc) RoundTrip(q *http.Request) (res *http.Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler {
				panic(p)
			}
			res, err = nil, io.ErrUnexpectedEOF
		}
	}()
	if q.Body == nil {
		q.Body = http.NoBody
	}
	r := &recorder{h: http.Header{}, status: http.StatusOK}
	t.H.ServeHTTP(r, q)
	return &http.Response{
		StatusCode: r.status, Status: http.StatusText(r.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: r.h, Body: io.NopCloser(&r.b), ContentLength: int64(r.b.Len()), Request: q,
	}, nil
}
