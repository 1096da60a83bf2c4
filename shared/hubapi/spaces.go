package hubapi

import (
	"encoding/json"

	"berth/shared/hub"
	"berth/shared/web"
)

// What hangs on a namespace: build secrets, storage quota, audit log.

// secret is how a build secret is shown: never its value.
type secret struct {
	Name      string   `json:"name"`
	CreatedAt hub.Time `json:"created_at"`
	UpdatedAt hub.Time `json:"updated_at"`
}

type secretValue struct {
	Value *string `json:"value"`
}

func showSecret(s hub.Secret) secret { return secret{s.Name, s.Created, s.Updated} }

// quota is a namespace's storage, in bytes.
type quota struct {
	Limit *int64 `json:"limit"` // null = none
	Used  int64  `json:"used"`
}

type quotaLimit struct {
	Limit *int64 `json:"limit" about:"bytes; null or 0 lifts the limit"`
}

func showQuota(q hub.Quota) quota {
	v := quota{Used: q.Used}
	if q.Limit != 0 {
		v.Limit = &q.Limit
	}
	return v
}

func showAudit(e hub.AuditEntry) hub.AuditEntry { return e }

const spacePath = "/v1/namespaces/{namespace}"

func spaceRoutes() []web.Route {
	return []web.Route{
		{
			Name: "secret-list", Method: "GET", Pattern: spacePath + "/secrets", Rule: web.NamespaceOwner, Needs: readsAccounts,
			Doc: web.Doc{
				Summary: "List a namespace's build secrets by name, without their values",
				Query:   web.PageParams,
				Answers: map[int]any{200: web.Page[secret]{}},
			},
			Handle: listSecrets,
		},
		{
			Name: "secret-get", Method: "GET", Pattern: spacePath + "/secrets/{name}", Rule: web.NamespaceOwner, Needs: readsAccounts,
			Doc:    web.Doc{Summary: "Show when a build secret was made and changed", Answers: map[int]any{200: secret{}}},
			Handle: getSecret,
		},
		{
			Name: "secret-put", Method: "PUT", Pattern: spacePath + "/secrets/{name}", Rule: web.NamespaceOwner, Needs: sealsAccounts,
			Doc: web.Doc{
				Summary:  "Make or replace a build secret",
				Required: []string{"value"}, Body: secretValue{},
				Answers: map[int]any{200: secret{}, 201: secret{}},
			},
			Handle: putSecret,
		},
		{
			Name: "secret-delete", Method: "DELETE", Pattern: spacePath + "/secrets/{name}", Rule: web.NamespaceOwner, Needs: writesAccounts,
			Doc:    web.Doc{Summary: "Delete a build secret", Answers: map[int]any{204: nil}},
			Handle: deleteSecret,
		},
		{
			Name: "quota-get", Method: "GET", Pattern: spacePath + "/quota", Rule: web.NamespaceReader, Needs: readsAccounts,
			Doc:    web.Doc{Summary: "Show a namespace's storage quota and use, in bytes", Answers: map[int]any{200: quota{}}},
			Handle: getQuota,
		},
		{
			Name: "quota-put", Method: "PUT", Pattern: spacePath + "/quota", Rule: web.NamespaceOwner, Needs: writesAccounts,
			Doc: web.Doc{
				Summary:  "Limit a namespace's storage, or lift the limit",
				Required: []string{"limit"}, Body: quotaLimit{},
				Answers: map[int]any{200: quota{}},
			},
			Handle: putQuota,
		},
		{
			Name: "audit-list", Method: "GET", Pattern: spacePath + "/audit", Rule: web.NamespaceOwner, Needs: readsAccounts,
			Doc: web.Doc{
				Summary: "List the changes in a namespace, newest first: who, what, when, from where",
				Query:   web.PageParams,
				Answers: map[int]any{200: web.Page[hub.AuditEntry]{}},
			},
			Handle: func(c *web.Call) error {
				w, p, err := window(c)
				if err != nil {
					return err
				}
				list, err := c.Hub.AuditLog(c.Context(), c.Grant, w)
				if err != nil {
					return err
				}
				return answerList(c, p, list, showAudit)
			},
		},
		{
			Name: "hub-audit-list", Method: "GET", Pattern: "/v1/audit", Rule: web.Administrators, Needs: readsAccounts,
			Doc: web.Doc{
				Summary: "List the changes outside namespaces, newest first: accounts, personal tokens, deleted organisations",
				Query:   web.PageParams,
				Answers: map[int]any{200: web.Page[hub.AuditEntry]{}},
			},
			Handle: func(c *web.Call) error {
				w, p, err := window(c)
				if err != nil {
					return err
				}
				list, err := c.Hub.HubAuditLog(c.Context(), w)
				if err != nil {
					return err
				}
				return answerList(c, p, list, showAudit)
			},
		},
	}
}

func listSecrets(c *web.Call) error {
	w, p, err := window(c)
	if err != nil {
		return err
	}
	list, err := c.Hub.Secrets(c.Context(), c.Grant, w)
	if err != nil {
		return err
	}
	return answerList(c, p, list, showSecret)
}

func getSecret(c *web.Call) error {
	s, err := c.Hub.Secret(c.Context(), c.Grant, c.Var("name"))
	if err != nil {
		return err
	}
	return c.JSON(200, showSecret(s))
}

func putSecret(c *web.Call) error {
	var in secretValue
	if err := c.Decode(&in); err != nil {
		return err
	}
	value, err := required("value", in.Value)
	if err != nil {
		return err
	}
	s, made, err := c.Hub.PutSecret(c.Context(), c.Grant, c.Var("name"), value)
	if err != nil {
		return err
	}
	return c.JSON(madeStatus(made), showSecret(s))
}

func madeStatus(made bool) int {
	if made {
		return 201
	}
	return 200
}

func deleteSecret(c *web.Call) error {
	if err := c.Hub.DeleteSecret(c.Context(), c.Grant, c.Var("name")); err != nil {
		return err
	}
	return c.Empty(204)
}

func getQuota(c *web.Call) error {
	q, err := c.Hub.Quota(c.Context(), c.Grant)
	if err != nil {
		return err
	}
	return c.JSON(200, showQuota(q))
}

func putQuota(c *web.Call) error {
	var in struct {
		Limit json.RawMessage `json:"limit"`
	}
	if err := c.Decode(&in); err != nil {
		return err
	}
	if in.Limit == nil {
		return hub.FailField("limit", "is required: a number of bytes, or null for no limit")
	}
	var limit *int64
	if err := json.Unmarshal(in.Limit, &limit); err != nil {
		return hub.FailField("limit", "must be a whole number of bytes, or null for no limit")
	}
	if limit == nil {
		limit = new(int64)
	}
	q, err := c.Hub.SetQuota(c.Context(), c.Grant, *limit)
	if err != nil {
		return err
	}
	return c.JSON(200, showQuota(q))
}
