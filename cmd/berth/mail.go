package main

import (
	"fmt"
	"os"
	"strings"

	"berth/shared/hub"
	"berth/shared/smtp"

	"github.com/spf13/pflag"
)

// smtpPassword is the environment variable of the password at the mail server. It
// has no flag, which everybody on the machine could read.
const smtpPassword = "BERTH_SMTP_PASSWORD"

// mailSettings are the options about mails.
type mailSettings struct {
	server, user, passwordFile, from string
	tls                              oneOf
}

func (m *mailSettings) flags(f *pflag.FlagSet) {
	m.tls = oneOf{"auto", []string{"auto", string(smtp.StartTLS), string(smtp.Implicit), string(smtp.Plain)}}
	f.StringVar(&m.server, "smtp", "", "mail server that takes the hub's e-mails, HOST or HOST:PORT; without one none is sent")
	f.Var(&m.tls, "smtp-tls", "how to encrypt to the mail server; auto is tls at port 465, none on this machine, else starttls")
	f.StringVar(&m.user, "smtp-user", "", "name to log in with at the mail server; the password is in "+smtpPassword+" or --smtp-password-file")
	f.StringVar(&m.passwordFile, "smtp-password-file", "", "file with the password for --smtp-user")
	f.StringVar(&m.from, "mail-from", "", "sender of the hub's e-mails, such as berth@example.com")
}

// mailer sends the hub's mails; nil where no mail server is given.
func (m *mailSettings) mailer() (hub.Mailer, error) {
	if m.server == "" {
		return nil, nil
	}
	if m.from == "" {
		return nil, wrongUse("give --mail-from with --smtp: the address that e-mails come from")
	}
	s := smtp.Settings{Server: m.server, User: m.user, Password: os.Getenv(smtpPassword), From: m.from}
	if m.tls.value != "auto" {
		s.TLS = smtp.TLS(m.tls.value)
	}
	if m.passwordFile != "" {
		b, err := os.ReadFile(m.passwordFile)
		if err != nil {
			return nil, fmt.Errorf("--smtp-password-file: %w", err)
		}
		s.Password = strings.TrimRight(string(b), "\r\n")
	}
	if (m.user == "") != (s.Password == "") {
		return nil, wrongUse("give --smtp-user together with its password, in %s or --smtp-password-file", smtpPassword)
	}
	mailer, err := smtp.New(s)
	if err != nil {
		return nil, wrongUse("--smtp, --mail-from: %w", err)
	}
	return mailer, nil
}
