package hub

import (
	"encoding/json"
	"reflect"
	"testing"
)

// Of any object, the members are what encoding/json finds under their exact names.
func FuzzExactly(f *testing.F) {
	for _, s := range []string{
		`{}`, `null`, ` { "a" : 1 , "b" : [ ] } `, `{"a":{"a":"}"},"A":2,"b":"\"]\\","a":[{"b":null}]}`, `{"\u0061":true,"b":-1.5e3}`,
		`{"a":"","b":"\\"}`, `[1]`, `"a"`, `{"b":{},"a":false,"":0}`, "{\"a\":\t1\n}", `{"é":1,"a":"é"}`, "{\"a\xff\":1}", `{"a":null,"b":"x"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !json.Valid([]byte(s)) {
			return
		}
		var all map[string]json.RawMessage
		wantErr := json.Unmarshal([]byte(s), &all)
		var a, b, none any
		err := exactly([]byte(s), []member{{name: "a", to: &a}, {name: "b", to: &b}, {name: "none at all", to: &none}})
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: error %v, want %v", s, err, wantErr)
		}
		for name, got := range map[string]any{"a": a, "b": b, "none at all": none} {
			var want any
			if raw, ok := all[name]; ok {
				if err := json.Unmarshal(raw, &want); err != nil {
					t.Fatal(err)
				}
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%q: %s is %v, want %v", s, name, got, want)
			}
		}
		var got, want string
		err = exactly([]byte(s), []member{{name: "a", to: &got}})
		if raw, ok := all["a"]; ok && wantErr == nil {
			wantErr = json.Unmarshal(raw, &want)
		}
		if got != want || (err == nil) != (wantErr == nil) {
			t.Errorf("%q: a is %q, %v, want %q, %v", s, got, err, want, wantErr)
		}
	})
}

// slowDescriptor reads descriptors the long way, for comparison.
type slowDescriptor struct{ Descriptor }

func (d *slowDescriptor) UnmarshalJSON(b []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	for name, to := range map[string]any{"mediaType": &d.MediaType, "digest": &d.Digest, "size": &d.Size, "urls": &d.URLs,
		"annotations": &d.Annotations, "artifactType": &d.ArtifactType} {
		if raw, ok := all[name]; ok {
			if err := json.Unmarshal(raw, to); err != nil {
				return err
			}
		}
	}
	return nil
}

// Lists of descriptors are what encoding/json makes of them.
func FuzzDescriptors(f *testing.F) {
	for _, s := range []string{
		`[]`, `[{}]`, `null`, `{}`, `[null]`, `[{"digest":"sha256:0","size":3,"mediaType":"a/b"} , {"Digest":"x","urls":["a","b"]}]`, `[[]]`, `[1]`,
		`[{"size":1.5}]`, `[{"size":"1"}]`, `[{"digest":"a","digest":"b"}]`, `[{"annotations":{"a":"]"}}]`, `[{"mediaType":null}]`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		object := []byte(`{"layers":` + s + `}`)
		if !json.Valid(object) || !json.Valid([]byte(s)) {
			return
		}
		var m manifestJSON
		err := m.UnmarshalJSON(object)
		var want *[]slowDescriptor
		wantErr := json.Unmarshal([]byte(s), &want)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%s: error %v, want %v", s, err, wantErr)
		}
		if err != nil {
			return
		}
		if (m.Layers == nil) != (want == nil) {
			t.Fatalf("%s: layers %v, want %v", s, m.Layers, want)
		}
		if want == nil {
			return
		}
		if len(*m.Layers) != len(*want) {
			t.Fatalf("%s: %d layers, want %d", s, len(*m.Layers), len(*want))
		}
		for i, d := range *m.Layers {
			d.Platform = nil
			if w := (*want)[i].Descriptor; !reflect.DeepEqual(d, w) {
				t.Errorf("%s: layer %d is %+v, want %+v", s, i, d, w)
			}
		}
	})
}
