package stacks_test

import (
	"strings"
	"testing"

	"berth/infra/stacks"
)

func read(context map[string]any) (stacks.Config, error) {
	return stacks.ReadConfig(func(key string) any { return context[key] })
}

func TestDefaults(t *testing.T) {
	got, err := read(nil)
	want := stacks.Config{
		Prefix: "berth", Ingest: true, IngestTasks: 4, Memory: 512, Rate: 500, Burst: 1000, LogDays: 30, RecoveryDays: 35,
		BuildCompute: "BUILD_GENERAL1_SMALL", BuildImage: "public.ecr.aws/docker/library/debian:13", Built: ".make",
	}
	if err != nil || got != want {
		t.Errorf("without context it is %+v, %v", got, err)
	}
	// The CDK's command gives everything after -c as text, cdk.json also numbers.
	got, err = read(map[string]any{"memory": "1024", "logDays": float64(7), "ingest": "off", "signup": "open"})
	if err != nil || got.Memory != 1024 || got.LogDays != 7 || got.Ingest || !got.OpenSignup {
		t.Errorf("with context it is %+v, %v", got, err)
	}
}

// What is wrong is named, all of it at once.
func TestWrong(t *testing.T) {
	for _, test := range []struct {
		key   string
		value any
	}{
		{"prefix", "Berth"}, {"prefix", "a-very-long-name-it-is"}, {"prefix", "1st"}, {"ingest", "yes"}, {"signup", "maybe"},
		{"domain", "hub.example.com"}, {"certificate", "arn:aws:acm:eu-central-1:1:certificate/1"}, {"zone", "Z1"},
		{"mailFrom", "nobody"}, {"mailFrom", "Hub <hub@example.com>"}, {"alarmMail", "@"},
		{"memory", "64"}, {"memory", "much"}, {"logDays", "31"}, {"recoveryDays", "36"}, {"ingestTasks", "0"}, {"rate", "0"},
		{"buildCompute", "small"},
	} {
		_, err := read(map[string]any{test.key: test.value})
		if err == nil || !strings.Contains(err.Error(), "context "+test.key+":") {
			t.Errorf("%s=%v: %v", test.key, test.value, err)
		}
	}
	_, err := read(map[string]any{"prefix": "!", "memory": "x", "mailFrom": "y"})
	for _, key := range []string{"prefix", "memory", "mailFrom"} {
		if err == nil || !strings.Contains(err.Error(), "context "+key) {
			t.Errorf("%s is not named in %v", key, err)
		}
	}
}
