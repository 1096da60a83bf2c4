// Package ses stands in for Amazon SES, version 2 of its interface: it keeps the
// mails that it is given.
package ses

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"sync"

	"berth/sim/awsjson"
)

// Mail is one that was taken.
type Mail struct {
	ID, From, To, Subject, Text string
	Headers                     map[string]string
}

// SES takes mails from verified senders.
type SES struct {
	senders []string

	mu     sync.Mutex
	mails  []Mail
	refuse int
}

// New takes mails from the addresses, and from every address of the domains, that
// are given.
func New(senders ...string) *SES { return &SES{senders: senders} }

// Mails are all that were taken.
func (s *SES) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

// Refuse lets the next n calls fail.
func (s *SES) Refuse(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = n
}

type content struct{ Data, Charset string }

type request struct {
	FromEmailAddress string
	Destination      struct{ ToAddresses, CcAddresses, BccAddresses []string }
	Content          struct {
		Simple *struct {
			Subject content
			Body    struct{ Text, Html *content }
			Headers []struct{ Name, Value string }
		}
	}
}

// ServeHTTP implements http.Handler.
func (s *SES) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/v2/email/outbound-emails" {
		awsjson.Refuse(w, &awsjson.Error{Code: "UnknownOperationException", Message: r.Method + " " + r.URL.Path})
		return
	}
	var in request
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 40<<20))
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	var id string
	if err == nil {
		id, err = s.take(in)
	}
	if err != nil {
		awsjson.Refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]string{"MessageId": id})
}

func bad(format string, args ...any) error {
	return &awsjson.Error{Code: "BadRequestException", Message: fmt.Sprintf(format, args...)}
}

func (s *SES) take(in request) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse > 0 {
		s.refuse--
		return "", &awsjson.Error{Code: "TooManyRequestsException", Message: "Too many requests", Status: http.StatusTooManyRequests}
	}
	from, err := mail.ParseAddress(in.FromEmailAddress)
	if err != nil {
		return "", bad("Missing or invalid FromEmailAddress")
	}
	if domain := from.Address[strings.LastIndexByte(from.Address, '@')+1:]; !slices.Contains(s.senders, from.Address) && !slices.Contains(s.senders, domain) {
		return "", &awsjson.Error{Code: "MessageRejected", Message: "Email address is not verified. The following identities failed the check: " + from.Address}
	}
	simple := in.Content.Simple
	if simple == nil || simple.Body.Text == nil || simple.Subject.Data == "" || len(in.Destination.ToAddresses) != 1 {
		return "", bad("this simulation takes a simple message of text to one address")
	}
	if _, err := mail.ParseAddress(in.Destination.ToAddresses[0]); err != nil {
		return "", bad("Invalid email address")
	}
	m := Mail{rand.Text(), in.FromEmailAddress, in.Destination.ToAddresses[0], simple.Subject.Data, simple.Body.Text.Data, map[string]string{}}
	for _, h := range simple.Headers {
		if strings.ContainsAny(h.Name+h.Value, "\r\n") || h.Name == "" || h.Value == "" || slices.Contains(own, strings.ToLower(h.Name)) {
			return "", bad("Invalid header %q", h.Name)
		}
		m.Headers[h.Name] = h.Value
	}
	if strings.ContainsAny(m.Subject, "\r\n") {
		return "", bad("Invalid subject")
	}
	s.mails = append(s.mails, m)
	return m.ID, nil
}

// own are headers that SES alone writes.
var own = []string{"message-id", "date", "from", "to", "cc", "bcc", "subject", "return-path", "mime-version", "content-type"}
