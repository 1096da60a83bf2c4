package hub

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// manifestJSON is a manifest as it is written. Its members are read by their exact
// names: encoding/json takes "LAYERS" for "layers" too, which no client does, and
// so could be shown other layers than they see.
type manifestJSON struct {
	SchemaVersion int
	MediaType     string
	ArtifactType  string
	Config        *Descriptor
	Layers        *[]Descriptor
	Manifests     *[]Descriptor
	FSLayers      json.RawMessage
	Subject       *Descriptor
	Annotations   map[string]string
}

func (m *manifestJSON) UnmarshalJSON(b []byte) error {
	var config, subject *descriptorJSON
	var layers, manifests *[]descriptorJSON
	err := exactly(b, []member{
		{name: "schemaVersion", to: &m.SchemaVersion}, {name: "mediaType", to: &m.MediaType}, {name: "artifactType", to: &m.ArtifactType},
		{name: "config", to: &config}, {name: "layers", to: &layers}, {name: "manifests", to: &manifests}, {name: "fsLayers", to: &m.FSLayers},
		{name: "subject", to: &subject}, {name: "annotations", to: &m.Annotations},
	})
	m.Config, m.Subject = (*Descriptor)(config), (*Descriptor)(subject)
	m.Layers, m.Manifests = descriptors(layers), descriptors(manifests)
	return err
}

type descriptorJSON Descriptor

func (d *descriptorJSON) UnmarshalJSON(b []byte) error {
	var platform *platformJSON
	err := exactly(b, []member{
		{name: "mediaType", to: &d.MediaType}, {name: "digest", to: &d.Digest}, {name: "size", to: &d.Size}, {name: "urls", to: &d.URLs},
		{name: "annotations", to: &d.Annotations}, {name: "platform", to: &platform}, {name: "artifactType", to: &d.ArtifactType},
	})
	d.Platform = (*Platform)(platform)
	return err
}

type platformJSON Platform

func (p *platformJSON) UnmarshalJSON(b []byte) error {
	return exactly(b, []member{{name: "os", to: &p.OS}, {name: "architecture", to: &p.Architecture}, {name: "variant", to: &p.Variant}})
}

func descriptors(list *[]descriptorJSON) *[]Descriptor {
	if list == nil {
		return nil
	}
	to := make([]Descriptor, len(*list))
	for i, d := range *list {
		to[i] = Descriptor(d)
	}
	return &to
}

// member is one that exactly looks for.
type member struct {
	name  string
	to    any
	value []byte // as the object has it
}

// exactly reads the members of an object that are named, and no others; of two of
// one name the last counts. b is valid JSON.
func exactly(b []byte, named []member) error {
	w := walk{rest: b}
	switch w.next() {
	case '{':
		if err := w.members(named); err != nil {
			return err
		}
	case 'n': // null leaves everything as it is
	default:
		return errors.New("it must be an object")
	}
	for _, m := range named {
		if m.value == nil {
			continue
		}
		if err := m.decode(); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

// decode reads the member's value: what manifests mostly have by itself, and the
// rest by encoding/json.
func (m *member) decode() (err error) {
	switch to := m.to.(type) {
	case *string:
		if plain(m.value) {
			*to = string(m.value[1 : len(m.value)-1])
			return nil
		}
	case *int64:
		if n, err := strconv.ParseInt(string(m.value), 10, 64); err == nil {
			*to = n
			return nil
		}
	case *map[string]string:
		if *to = plainMap(m.value); *to != nil {
			return nil
		}
	case **descriptorJSON:
		if m.value[0] == '{' {
			*to = new(descriptorJSON)
			return (*to).UnmarshalJSON(m.value)
		}
	case **[]descriptorJSON:
		if m.value[0] == '[' {
			*to = new([]descriptorJSON)
			**to, err = descriptorList(m.value)
			return err
		}
	}
	return json.Unmarshal(m.value, m.to)
}

func descriptorList(array []byte) ([]descriptorJSON, error) {
	list := []descriptorJSON{}
	w := walk{rest: array[1:]}
	for c := w.next(); c != ']' && c != 0; c = w.next() {
		list = append(list, descriptorJSON{})
		if err := list[len(list)-1].UnmarshalJSON(w.value()); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// plain reports whether a value is a string that stands for itself.
func plain(value []byte) bool {
	for _, c := range value[1:] {
		if c == '\\' || c >= 0x80 {
			return false
		}
	}
	return value[0] == '"'
}

// plainMap reads an object of strings that all stand for themselves; it is nil if the
// value is anything else.
func plainMap(object []byte) map[string]string {
	if object[0] != '{' {
		return nil
	}
	all := make(map[string]string)
	w := walk{rest: object[1:]}
	for w.next() == '"' {
		name := w.value()
		w.next()
		value := w.value()
		if !plain(name) || !plain(value) {
			return nil
		}
		all[string(name[1:len(name)-1])] = string(value[1 : len(value)-1])
	}
	return all
}

// walk goes through valid JSON, from the left.
type walk struct{ rest []byte }

// next is the next character that is no space, which it does not take.
func (w *walk) next() byte {
	for len(w.rest) > 0 {
		switch c := w.rest[0]; c {
		case ' ', '\t', '\r', '\n', ',', ':': // in valid JSON the last two need no more attention
			w.rest = w.rest[1:]
		default:
			return c
		}
	}
	return 0
}

// members takes an object, and notes the values of the members that are named.
func (w *walk) members(named []member) error {
	w.rest = w.rest[1:]
	for w.next() == '"' {
		quoted := w.value()
		name := quoted[1 : len(quoted)-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			var s string
			if err := json.Unmarshal(quoted, &s); err != nil {
				return err
			}
			name = []byte(s)
		}
		w.next()
		value := w.value()
		for i := range named {
			if named[i].name == string(name) {
				named[i].value = value
			}
		}
	}
	return nil
}

// value takes the next value whole.
func (w *walk) value() []byte {
	depth, b := 0, w.rest
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		default:
			if depth > 0 || i+1 < len(b) && !ends(b[i+1]) {
				continue // inside of something, or of a number, true, false or null
			}
		}
		if depth == 0 {
			w.rest = b[i+1:]
			return b[:i+1]
		}
	}
	w.rest = nil
	return b
}

// ends reports whether a number, true, false or null is over before c.
func ends(c byte) bool {
	switch c {
	case ',', ']', '}', ' ', '\t', '\r', '\n':
		return true
	}
	return false
}
