// Package secrets stands in for AWS Secrets Manager, of which functions only read.
package secrets

import (
	"context"

	"berth/sim/awsjson"
)

// New serves secrets by their ARNs.
func New(values map[string]string) awsjson.Service {
	return awsjson.Service{"GetSecretValue": awsjson.Op(func(_ context.Context, in *struct{ SecretId string }) (map[string]any, error) {
		v, ok := values[in.SecretId]
		if !ok {
			return nil, &awsjson.Error{Code: "ResourceNotFoundException", Message: "Secrets Manager can't find the specified secret."}
		}
		return map[string]any{"ARN": in.SecretId, "SecretString": v, "VersionStages": []string{"AWSCURRENT"}}, nil
	})}
}
