package hub

import (
	"encoding/json"
	"fmt"
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
	err := exactly(b, map[string]any{
		"schemaVersion": &m.SchemaVersion, "mediaType": &m.MediaType, "artifactType": &m.ArtifactType,
		"config": &config, "layers": &layers, "manifests": &manifests, "fsLayers": &m.FSLayers,
		"subject": &subject, "annotations": &m.Annotations,
	})
	m.Config, m.Subject = (*Descriptor)(config), (*Descriptor)(subject)
	m.Layers, m.Manifests = descriptors(layers), descriptors(manifests)
	return err
}

type descriptorJSON Descriptor

func (d *descriptorJSON) UnmarshalJSON(b []byte) error {
	var platform *platformJSON
	err := exactly(b, map[string]any{
		"mediaType": &d.MediaType, "digest": &d.Digest, "size": &d.Size, "urls": &d.URLs,
		"annotations": &d.Annotations, "platform": &platform, "artifactType": &d.ArtifactType,
	})
	d.Platform = (*Platform)(platform)
	return err
}

type platformJSON Platform

func (p *platformJSON) UnmarshalJSON(b []byte) error {
	return exactly(b, map[string]any{"os": &p.OS, "architecture": &p.Architecture, "variant": &p.Variant})
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

// exactly reads the members of an object that into names, and no others.
func exactly(b []byte, into map[string]any) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil {
		return err
	}
	for name, value := range members {
		v, known := into[name]
		if !known {
			continue
		}
		if err := json.Unmarshal(value, v); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
