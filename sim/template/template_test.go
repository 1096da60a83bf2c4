package template

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

const one = `{
  "Parameters": {"Version": {"Type": "String", "Default": "4"}},
  "Conditions": {"Never": {"Fn::Equals": [{"Ref": "Version"}, "5"]}},
  "Resources": {
    "Tags": {"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": "tags"}},
    "Mail": {"Type": "AWS::SQS::Queue", "Properties": {}},
    "Gone": {"Type": "AWS::SQS::Queue", "Condition": "Never"},
    "Child": {"Type": "AWS::CloudFormation::Stack", "Metadata": {"aws:asset:path": "child.template.json"},
      "Properties": {"Parameters": {"table": {"Fn::GetAtt": ["Tags", "Arn"]}}}}
  },
  "Outputs": {"Out": {"Value": {"Fn::GetAtt": ["Mail", "Arn"]}, "Export": {"Name": "one:Mail"}}}
}`

const child = `{
  "Parameters": {"table": {"Type": "String"}},
  "Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": {"On": {"Fn::Join": ["", [{"Ref": "table"}, "/index/*"]]}}}}
}`

const two = `{
  "Resources": {"F": {"Type": "AWS::Lambda::Function", "Properties": {
    "Queue": {"Fn::ImportValue": "one:Mail"},
    "Text": {"Fn::Sub": "${AWS::Region} ${F} ${!x}"},
    "Absent": {"Ref": "AWS::NoValue"},
    "Part": {"Fn::Select": [5, {"Fn::Split": [":", {"Fn::ImportValue": "one:Mail"}]}]},
    "List": [1, {"Ref": "AWS::NoValue"}]
  }}}
}`

func TestApp(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"one": one, "two": two, "child": child} {
		if err := os.WriteFile(filepath.Join(dir, name+".template.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string]map[string]any{
		"AWS::Lambda::Function": {
			"Queue": "arn:aws:sqs:eu-central-1:000000000000:one-Mail", "Text": "eu-central-1 two-F ${x}",
			"Part": "one-Mail", "List": []any{1.0},
		},
		"AWS::IAM::Role": {"On": "arn:aws:dynamodb:eu-central-1:000000000000:table/tags/index/*"},
	} {
		r, err := a.One(kind)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := a.Get(r, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v; want %v", kind, got, err, want)
		}
	}
	if queues := a.Of("AWS::SQS::Queue"); len(queues) != 1 || queues[0].ID != "Mail" {
		t.Errorf("queues: %v", queues)
	}
}
