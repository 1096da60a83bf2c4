package stack

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/mail"
	"net/url"
	"strings"

	"berth/sim/awsjson"
	"berth/sim/iam"
	"berth/sim/template"
)

const here = template.Region + ":" + template.Account

// asks are the rights that a request of a service needs, and the operation that it
// is. body is that of a service whose calls are JSON.
func asks(service string, r *http.Request, body []byte) (op string, needs []iam.Ask, err error) {
	switch service {
	case "s3":
		return s3Asks(r)
	case "ses":
		return "SendEmail", []iam.Ask{{Action: "ses:SendEmail", Resource: sender(body)}}, nil
	}
	op = awsjson.Target(r)
	one, ok := resources[service]
	if !ok {
		return op, nil, fmt.Errorf("this simulation does not know the service %q", service)
	}
	needs, err = one(service+":"+op, body)
	return op, needs, err
}

// resources tells what calls of a service act on.
var resources = map[string]func(action string, body []byte) ([]iam.Ask, error){
	"dynamodb": tableAsks,
	"sqs": func(action string, body []byte) ([]iam.Ask, error) { // a batch needs the right of one
		return member("QueueUrl", func(url string) string {
			return "arn:aws:sqs:" + here + ":" + url[strings.LastIndexByte(url, '/')+1:]
		})(strings.TrimSuffix(action, "Batch"), body)
	},
	"kms":            kmsAsks,
	"secretsmanager": member("SecretId", itself),
	"states": func(action string, body []byte) ([]iam.Ask, error) {
		if action == "states:StartExecution" {
			return member("stateMachineArn", itself)(action, body)
		}
		return member("executionArn", itself)(action, body)
	},
	"events": func(action string, body []byte) ([]iam.Ask, error) {
		var in struct {
			Entries []struct{ EventBusName string }
		}
		err := json.Unmarshal(body, &in)
		var all []iam.Ask
		for _, e := range in.Entries {
			all = append(all, iam.Ask{Action: action, Resource: busARN(e.EventBusName)})
		}
		return all, err
	},
}

func itself(s string) string { return s }

func busARN(name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	if name == "" {
		name = "default"
	}
	return "arn:aws:events:" + here + ":event-bus/" + name
}

// member finds the resource in one member of the body.
func member(name string, arn func(string) string) func(string, []byte) ([]iam.Ask, error) {
	return func(action string, body []byte) ([]iam.Ask, error) {
		var in map[string]any
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, err
		}
		value, _ := in[name].(string)
		return []iam.Ask{{Action: action, Resource: arn(value)}}, nil
	}
}

// kmsAsks finds the key. Decrypt need not name it: the ciphertext does.
func kmsAsks(action string, body []byte) ([]iam.Ask, error) {
	var in struct {
		KeyId          string
		CiphertextBlob []byte
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	if in.KeyId == "" {
		in.KeyId, _, _ = strings.Cut(string(in.CiphertextBlob), "\n")
	}
	if !strings.HasPrefix(in.KeyId, "arn:") {
		in.KeyId = "arn:aws:kms:" + here + ":key/" + in.KeyId
	}
	return []iam.Ask{{Action: action, Resource: in.KeyId}}, nil
}

// tableAsks tells what a call of DynamoDB does to which tables. A transaction needs
// the rights of what it is made of.
func tableAsks(action string, body []byte) (all []iam.Ask, err error) {
	type on struct{ TableName string }
	var in struct {
		on
		RequestItems  map[string]json.RawMessage
		TransactItems []struct{ Get, Put, Update, Delete, ConditionCheck *on }
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	seen := map[iam.Ask]bool{}
	add := func(action, table string) {
		ask := iam.Ask{Action: action, Resource: "arn:aws:dynamodb:" + here + ":table/" + table}
		if !seen[ask] {
			seen[ask] = true
			all = append(all, ask)
		}
	}
	switch {
	case in.TransactItems != nil:
		for _, t := range in.TransactItems {
			for name, o := range map[string]*on{
				"GetItem": t.Get, "PutItem": t.Put, "UpdateItem": t.Update, "DeleteItem": t.Delete, "ConditionCheckItem": t.ConditionCheck,
			} {
				if o != nil {
					add("dynamodb:"+name, o.TableName)
				}
			}
		}
	case in.RequestItems != nil:
		for table := range in.RequestItems {
			add(action, table)
		}
	default:
		add(action, in.TableName)
	}
	return all, nil
}

// s3Asks tells what a request of S3, with the bucket in its path, does.
func s3Asks(r *http.Request) (op string, all []iam.Ask, err error) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	query := r.URL.Query()
	object := "arn:aws:s3:::" + bucket + "/" + key
	from := r.Header.Get("X-Amz-Copy-Source")
	action := ""
	switch part := query.Has("uploadId"); {
	case key == "":
		return r.Method + " bucket", []iam.Ask{{Action: "s3:ListBucket", Resource: "arn:aws:s3:::" + bucket}}, nil
	case r.Method == http.MethodGet && part:
		op, action = "ListParts", "ListMultipartUploadParts"
	case r.Method == http.MethodGet && query.Has("attributes"):
		op, action = "GetObjectAttributes", "GetObject"
	case r.Method == http.MethodGet:
		op, action = "GetObject", "GetObject"
	case r.Method == http.MethodHead:
		op, action = "HeadObject", "GetObject"
	case r.Method == http.MethodPost && query.Has("uploads"):
		op, action = "CreateMultipartUpload", "PutObject"
	case r.Method == http.MethodPost && part:
		op, action = "CompleteMultipartUpload", "PutObject"
	case r.Method == http.MethodPut && part && from != "":
		op, action = "UploadPartCopy", "PutObject"
	case r.Method == http.MethodPut && part:
		op, action = "UploadPart", "PutObject"
	case r.Method == http.MethodPut && from != "":
		op, action = "CopyObject", "PutObject"
	case r.Method == http.MethodPut:
		op, action = "PutObject", "PutObject"
	case r.Method == http.MethodDelete && part:
		op, action = "AbortMultipartUpload", "AbortMultipartUpload"
	case r.Method == http.MethodDelete:
		op, action = "DeleteObject", "DeleteObject"
	default:
		return "", nil, fmt.Errorf("this simulation does not know %s %s", r.Method, r.URL)
	}
	all = append(all, iam.Ask{Action: "s3:" + action, Resource: object})
	if op == "GetObjectAttributes" {
		all = append(all, iam.Ask{Action: "s3:GetObjectAttributes", Resource: object})
	}
	if from != "" {
		if from, err = url.PathUnescape(from); err != nil {
			return "", nil, err
		}
		all = append(all, iam.Ask{Action: "s3:GetObject", Resource: "arn:aws:s3:::" + strings.TrimPrefix(from, "/")})
	}
	return op, all, nil
}

// sender is the identity that a mail is sent from, which is its address's domain.
func sender(body []byte) string {
	_, domain, _ := strings.Cut(from(body), "@")
	return "arn:aws:ses:" + here + ":identity/" + domain
}

func from(body []byte) string {
	var in struct{ FromEmailAddress string }
	json.Unmarshal(body, &in)
	if a, err := mail.ParseAddress(in.FromEmailAddress); err == nil {
		return a.Address
	}
	return in.FromEmailAddress
}

// known is what conditions of policies may ask of a call.
func known(service string, body []byte) map[string]string {
	if service == "ses" {
		return map[string]string{"ses:FromAddress": from(body)}
	}
	return nil
}
