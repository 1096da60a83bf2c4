package stack

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"berth/sim"
	"berth/sim/dynamodb"
	"berth/sim/eventbus"
	"berth/sim/kms"
	"berth/sim/secrets"
	"berth/sim/ses"
)

var quiet = log.New(io.Discard, "", 0)

// keep makes what keeps data: tables, the bucket, keys, secrets, queues, and buses.
func (s *Stack) keep() error {
	if err := s.makeTables(); err != nil {
		return err
	}
	if err := s.makeBucket(); err != nil {
		return err
	}
	if err := s.makeQueues(); err != nil {
		return err
	}
	var arns []string
	for _, r := range s.app.Of("AWS::KMS::Key") {
		arn, err := s.app.ARN(r)
		if err != nil {
			return err
		}
		arns = append(arns, arn)
	}
	s.door.services["kms"] = kms.New(arns...)
	values := map[string]string{}
	for _, r := range s.app.Of("AWS::SecretsManager::Secret") {
		arn, err := s.app.ARN(r)
		if err != nil {
			return err
		}
		if values[arn], err = s.secret(r.ID); err != nil {
			return err
		}
		s.stands["{{resolve:secretsmanager:"+arn+":SecretString:::}}"] = values[arn]
	}
	s.door.services["secretsmanager"] = secrets.New(values)
	var senders []string
	for _, r := range s.app.Of("AWS::SES::EmailIdentity") {
		name, err := s.app.Name(r)
		if err != nil {
			return err
		}
		senders = append(senders, name)
	}
	s.mails = ses.New(senders...)
	s.door.services["ses"] = s.mails
	var buses []string
	for _, r := range s.app.Of("AWS::Events::EventBus") {
		name, err := s.app.Name(r)
		if err != nil {
			return err
		}
		buses = append(buses, name)
	}
	s.bus = eventbus.New(buses...)
	s.later(s.bus.Wait)
	s.door.services["events"] = s.bus.Service()
	return nil
}

// secret is the value of a secret, which is made once for a folder of data.
func (s *Stack) secret(id string) (string, error) {
	path := filepath.Join(s.options.Data, "secret-"+id)
	if b, err := os.ReadFile(path); err == nil {
		return string(b), nil
	}
	text := rand.Text() + rand.Text()
	return text, os.WriteFile(path, []byte(text), 0o600)
}

// makeTables makes the tables that are not there yet, just as the templates have them.
func (s *Stack) makeTables() error {
	kv, err := dynamodb.OpenBolt(filepath.Join(s.options.Data, "dynamodb"), true)
	if err != nil {
		return err
	}
	if s.tables, err = dynamodb.Open(kv); err != nil {
		return err
	}
	s.later(func() { s.tables.Close() })
	for _, r := range s.app.Of("AWS::DynamoDB::Table") {
		var table map[string]any
		if err := s.app.Get(r, &table); err != nil {
			return err
		}
		if table["TableName"], err = s.app.Name(r); err != nil {
			return err
		}
		b, err := json.Marshal(table)
		if err != nil {
			return err
		}
		if _, err := s.tables.Do("CreateTable", b); err != nil && !strings.HasPrefix(err.Error(), "ResourceInUse") {
			return fmt.Errorf("table %s: %w", r.ID, err)
		}
		if _, err := s.tables.Do("UpdateTimeToLive", b); err != nil {
			return fmt.Errorf("table %s: %w", r.ID, err)
		}
	}
	s.door.services["dynamodb"] = s.tables
	return nil
}

func (s *Stack) makeBucket() error {
	r, err := s.app.One("AWS::S3::Bucket")
	if err != nil {
		return err
	}
	bucket, err := s.app.Name(r)
	if err != nil {
		return err
	}
	gateway, stop, err := sim.StartBucket(s.options.Data, bucket)
	if err != nil {
		return err
	}
	s.later(stop)
	target, err := url.Parse(gateway)
	if err != nil {
		return err
	}
	s.door.services["s3"] = &httputil.ReverseProxy{
		// The signature covers the host that the client named.
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = target.Scheme, target.Host, r.In.Host
		},
		Transport:    &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ErrorLog:     quiet,
	}
	return nil
}
