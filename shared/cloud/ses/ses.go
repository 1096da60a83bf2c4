// Package ses sends a hub's mails by Amazon SES.
package ses

import (
	"context"
	"errors"
	"fmt"

	"berth/shared/cloud"
	"berth/shared/hub"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
)

// With lets a hub send mails, from the address in the environment.
func With(e *cloud.Environment, h *hub.Hub) {
	h.Mailer = &Mailer{sesv2.NewFromConfig(e.For(cloud.Settings.SES)), e.Need(cloud.Settings.MailFrom)}
}

// Mailer sends mails: a [hub.Mailer].
type Mailer struct {
	client *sesv2.Client
	from   string
}

// Send implements [hub.Mailer]. SES gives each mail a Message-ID of its own; that of
// the hub, by which one that comes twice is known, is in X-Berth-Message-Id.
func (s *Mailer) Send(ctx context.Context, m hub.Mail) error {
	text := func(t string) *types.Content {
		return &types.Content{Data: aws.String(t), Charset: aws.String("UTF-8")}
	}
	header := func(name, value string) types.MessageHeader {
		return types.MessageHeader{Name: aws.String(name), Value: aws.String(value)}
	}
	_, err := s.client.SendEmail(ctx, &sesv2.SendEmailInput{
		FromEmailAddress: &s.from,
		Destination:      &types.Destination{ToAddresses: []string{m.To}},
		Content: &types.EmailContent{Simple: &types.Message{
			Subject: text(m.Subject), Body: &types.Body{Text: text(m.Text)},
			Headers: []types.MessageHeader{header("Auto-Submitted", "auto-generated"), header("X-Berth-Message-Id", "<"+m.ID+">")},
		}},
	})
	var bad *types.BadRequestException
	if errors.As(err, &bad) { // the operator mends what else is refused, such as a sender that is not verified
		return fmt.Errorf("%w: %w", hub.ErrUndeliverable, err)
	}
	return err
}
