package stacks

import (
	"errors"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Config is what a deployment chooses: the context of cdk.json, or -c KEY=VALUE.
type Config struct {
	Prefix string // the beginning of every name; two hubs in one account need two

	Domain      string // the host that clients use; "" = CloudFront's own
	Certificate string // ARN of a certificate for Domain, in us-east-1
	Zone        string // id of the Route 53 zone that is to get Domain's record; "" = the record is made elsewhere
	ZoneName    string // the zone's name

	OpenSignup   bool   // anybody may register
	AllowedHosts string // private hosts that webhooks and clones may reach, by commas
	MailFrom     string // the sender of mails; "" = no mails
	MailIdentity string // an SES identity that is there already; "" = one is made for MailFrom's domain
	AlarmMail    string // who is told of alarms; "" = nobody

	Ingest      bool // whether a service takes uploads of any size
	IngestTasks int  // the most tasks of it

	Memory       int    // MiB of each function; processor and price follow it
	Rate, Burst  int    // requests a second to the HTTP API, and above that for a moment
	LogDays      int    // days that logs are kept
	RecoveryDays int    // days that deleted layers and the tables' past can be brought back
	BuildCompute string // CodeBuild's compute type
	BuildImage   string // the image that builds run in; buildah is installed in it where it is missing

	// Built is the folder of what was built to be deployed (make functions), or
	// "none" to write templates that show everything but have no code.
	Built string
}

// NoCode, as [Config.Built], leaves code out of the templates.
const NoCode = "none"

// logDays are the numbers of days that CloudWatch knows.
var logDays = []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

var (
	prefixForm  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,14}[a-z0-9]$`)
	computeForm = regexp.MustCompile(`^BUILD_[A-Z0-9_]+$`)
)

// ReadConfig reads the context, in which a value is text, a number or a boolean.
// The error names each key that is wrong.
func ReadConfig(context func(key string) any) (Config, error) {
	r := reader{context: context}
	c := Config{
		Prefix: r.text("prefix", "berth"),

		Domain:      r.text("domain", ""),
		Certificate: r.text("certificate", ""),
		Zone:        r.text("zone", ""),
		ZoneName:    r.text("zoneName", ""),

		OpenSignup:   r.oneOf("signup", "closed", "open") == "open",
		AllowedHosts: r.text("allowedHosts", ""),
		MailFrom:     r.text("mailFrom", ""),
		MailIdentity: r.text("mailIdentity", ""),
		AlarmMail:    r.text("alarmMail", ""),

		Ingest:      r.oneOf("ingest", "on", "off") == "on",
		IngestTasks: r.number("ingestTasks", 4, 1, 100),

		Memory:       r.number("memory", 512, 128, 10240),
		Rate:         r.number("rate", 500, 1, 10000),
		Burst:        r.number("burst", 1000, 1, 10000),
		LogDays:      r.number("logDays", 30, 1, 3653),
		RecoveryDays: r.number("recoveryDays", 35, 1, 35),
		BuildCompute: r.text("buildCompute", "BUILD_GENERAL1_SMALL"),
		BuildImage:   r.text("buildImage", "public.ecr.aws/docker/library/debian:13"),

		Built: r.text("built", ".make"),
	}
	r.wrongIf(!prefixForm.MatchString(c.Prefix), "prefix", "must be 2 to 16 small letters, digits and hyphens, beginning with a letter")
	r.wrongIf((c.Domain == "") != (c.Certificate == ""), "domain", "goes with certificate: CloudFront needs one for the domain, in us-east-1")
	r.wrongIf(c.Certificate != "" && !strings.HasPrefix(c.Certificate, "arn:aws:acm:us-east-1:"), "certificate", "must be the ARN of a certificate in us-east-1")
	r.wrongIf((c.Zone == "") != (c.ZoneName == ""), "zone", "goes with zoneName, which is its name")
	r.wrongIf(c.Zone != "" && c.Domain != c.ZoneName && !strings.HasSuffix(c.Domain, "."+c.ZoneName), "zoneName", "must be the domain or end it")
	r.wrongIf(!slices.Contains(logDays, c.LogDays), "logDays", fmt.Sprintf("must be one of %v", logDays))
	r.wrongIf(!computeForm.MatchString(c.BuildCompute), "buildCompute", "must be as BUILD_GENERAL1_SMALL")
	for key, address := range map[string]string{"mailFrom": c.MailFrom, "alarmMail": c.AlarmMail} {
		parsed, err := mail.ParseAddress(address)
		r.wrongIf(address != "" && (err != nil || parsed.Address != address), key, "must be an address as hub@example.com")
	}
	return c, errors.Join(r.wrong...)
}

type reader struct {
	context func(string) any
	wrong   []error
}

func (r *reader) wrongIf(wrong bool, key, why string) {
	if wrong {
		r.wrong = append(r.wrong, fmt.Errorf("context %s: %s", key, why))
	}
}

func (r *reader) text(key, otherwise string) string {
	v := r.context(key)
	if v == nil {
		return otherwise
	}
	return fmt.Sprint(v)
}

func (r *reader) oneOf(key string, values ...string) string {
	v := r.text(key, values[0])
	r.wrongIf(!slices.Contains(values, v), key, "must be "+strings.Join(values, " or "))
	return v
}

func (r *reader) number(key string, otherwise, least, most int) int {
	n, err := strconv.Atoi(r.text(key, strconv.Itoa(otherwise)))
	r.wrongIf(err != nil || n < least || n > most, key, fmt.Sprintf("must be a number from %d to %d", least, most))
	return n
}

// domainOf is what follows the @ of an address.
func domainOf(address string) string {
	_, domain, _ := strings.Cut(address, "@")
	return domain
}
