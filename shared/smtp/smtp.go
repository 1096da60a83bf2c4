// Package smtp sends the hub's mails by way of a mail server that the operator
// names.
package smtp

import (
	"context"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"strconv"
	"time"

	"berth/shared/hub"

	"github.com/wneessen/go-mail"
)

// Settings say how mails leave.
type Settings struct {
	Server         string // host, or host:port; without a port 465 with TLS from the start, else 587
	TLS            TLS
	User, Password string // User "": without logging in
	From           string // address of the sender: berth@example.com or Berth <berth@example.com>
}

// TLS is how the connection to the mail server is kept private.
type TLS string

// The zero TLS is StartTLS, or Plain where the server is this machine.
const (
	StartTLS TLS = "starttls" // and no mail to a server that cannot
	Implicit TLS = "tls"      // from the first byte
	Plain    TLS = "none"
)

// Mailer sends mails: a [hub.Mailer].
type Mailer struct {
	client *mail.Client
	from   *netmail.Address
}

// patience is how long the server may take for each part of an attempt; together
// they end before the hub gives the mail to another sender.
const patience = 15 * time.Second

// New checks the settings. It does not connect: a server that is away now may be
// there when there is a mail.
func New(s Settings) (*Mailer, error) {
	from, err := netmail.ParseAddress(s.From)
	if err != nil {
		return nil, fmt.Errorf("the sender must be an address such as berth@example.com, not %q", s.From)
	}
	host, port, err := s.address()
	if err != nil {
		return nil, err
	}
	options := []mail.Option{mail.WithTimeout(patience)}
	switch s.tls(host, port) {
	case StartTLS:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	case Implicit:
		options = append(options, mail.WithSSL())
	case Plain:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		return nil, fmt.Errorf("TLS to the mail server is %s, %s or %s, not %q", StartTLS, Implicit, Plain, s.TLS)
	}
	if s.User != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(s.User), mail.WithPassword(s.Password))
	}
	client, err := mail.NewClient(host, append(options, mail.WithPort(port))...)
	return &Mailer{client, from}, err
}

const (
	submissionPort    = 587
	submissionTLSPort = 465
)

func (s Settings) address() (host string, port int, err error) {
	host, text, err := net.SplitHostPort(s.Server)
	if err != nil {
		if s.TLS == Implicit {
			return s.Server, submissionTLSPort, nil
		}
		return s.Server, submissionPort, nil
	}
	if port, err = strconv.Atoi(text); err != nil || host == "" {
		return "", 0, fmt.Errorf("the mail server must be a host or host:port, not %q", s.Server)
	}
	return host, port, nil
}

func (s Settings) tls(host string, port int) TLS {
	ip := net.ParseIP(host)
	switch {
	case s.TLS != "":
		return s.TLS
	case port == submissionTLSPort:
		return Implicit
	case host == "localhost" || ip != nil && ip.IsLoopback():
		return Plain
	}
	return StartTLS
}

// Send hands a mail to the server: see [hub.Mailer].
func (s *Mailer) Send(ctx context.Context, m hub.Mail) error {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	to, err := netmail.ParseAddress(m.To)
	if err != nil {
		return fmt.Errorf("%w: its address is none", hub.ErrUndeliverable)
	}
	msg.FromMailAddress(s.from)
	msg.ToMailAddress(to)
	msg.Subject(m.Subject)
	msg.SetMessageIDWithValue(m.ID)
	msg.SetDateWithValue(m.At.Time)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(mail.TypeTextPlain, m.Text)
	err = s.client.DialAndSendWithContext(ctx, msg)
	var refused *mail.SendError
	switch {
	case msg.IsDelivered(): // what goes wrong after that is no matter
		return nil
	case errors.As(err, &refused) && final(refused):
		return fmt.Errorf("%w: %w", hub.ErrUndeliverable, err)
	}
	return err
}

// final reports whether the server refused this mail for good. A refusal before its
// reader was named is about the hub, and for the operator to mend.
func final(e *mail.SendError) bool {
	switch e.Reason {
	case mail.ErrSMTPRcptTo, mail.ErrSMTPData, mail.ErrSMTPDataClose:
		return e.ErrorCode() >= 500
	}
	return false
}
