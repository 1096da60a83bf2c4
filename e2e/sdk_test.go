package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/basic"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/config"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/sdkerr"
	swr "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/swr/v2"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/swr/v2/model"
)

// sdk is the vendor's client as it comes, signing with an access key of the
// client's account.
func (c client) sdk(t *testing.T) *swr.SwrClient {
	t.Helper()
	a := c.call(t, 201, "POST", "/v1/tokens", `{"name":"sdk","permissions":["pull","push","admin"]}`)
	var key struct {
		Access string `json:"access_key"`
		Secret string `json:"secret_key"`
	}
	if err := json.Unmarshal(a.body, &key); err != nil || key.Access == "" || key.Secret == "" {
		t.Fatalf("the new token has no key pair: %s", a)
	}
	return sdkWith(t, c.base, key.Access, key.Secret)
}

func sdkWith(t *testing.T, base, access, secret string) *swr.SwrClient {
	t.Helper()
	who, err := basic.NewCredentialsBuilder().WithAk(access).WithSk(secret).WithProjectId("project").SafeBuild()
	if err != nil {
		t.Fatal(err)
	}
	made, err := swr.SwrClientBuilder().WithEndpoint(base).WithCredential(who).
		WithHttpConfig(config.DefaultHttpConfig().WithTimeout(30 * time.Second)).SafeBuild()
	if err != nil {
		t.Fatal(err)
	}
	return swr.NewSwrClient(made)
}

// did wants an SDK call to have been answered with the status.
func did[T any](t *testing.T, status int) func(answer *T, err error) *T {
	return func(answer *T, err error) *T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if got := reflect.ValueOf(answer).Elem().FieldByName("HttpStatusCode").Int(); got != int64(status) {
			t.Fatalf("%T came with %d, want %d", answer, got, status)
		}
		return answer
	}
}

// fails wants an SDK call to have failed so. The SDK keeps the whole body as the
// message, as it does with the vendor's own lists of errors.
func fails(t *testing.T, status int, number string, err error) {
	t.Helper()
	var e *sdkerr.ServiceResponseError
	if !errors.As(err, &e) || e.StatusCode != status || !strings.Contains(e.ErrorMessage, `"errorCode":"SVCSTG.SWR.`+number+`"`) || e.RequestId == "" {
		t.Fatalf("got %v, want %d and SVCSTG.SWR.%s", err, status, number)
	}
}

func ptr[T any](v T) *T { return &v }

func TestSDKNamespaces(t *testing.T) {
	c := theHub(t).account(t)
	sdk := c.sdk(t)
	group := fresh("group")
	body := &model.CreateNamespaceRequestBody{Namespace: group}
	kind := model.GetCreateNamespaceRequestContentTypeEnum().APPLICATION_JSON
	did[model.CreateNamespaceResponse](t, 201)(sdk.CreateNamespace(&model.CreateNamespaceRequest{ContentType: kind, Body: body}))
	_, err := sdk.CreateNamespace(&model.CreateNamespaceRequest{ContentType: kind, Body: body})
	fails(t, 409, "4090060", err)
	_, err = sdk.CreateNamespace(&model.CreateNamespaceRequest{Body: &model.CreateNamespaceRequestBody{Namespace: "No"}})
	fails(t, 400, "4001028", err)

	shown := did[model.ShowNamespaceResponse](t, 200)(sdk.ShowNamespace(&model.ShowNamespaceRequest{Namespace: group}))
	if *shown.Name != group || *shown.CreatorName != c.user || *shown.Id <= 0 || shown.Auth.Value() != 7 {
		t.Errorf("the namespace is shown as %s", shown)
	}
	listed := did[model.ListNamespacesResponse](t, 200)(sdk.ListNamespaces(&model.ListNamespacesRequest{Filter: ptr("namespace::" + group + "|mode::visible")}))
	if n := *listed.Namespaces; len(n) != 1 || n[0].Name != group || n[0].Id != *shown.Id || n[0].Auth.Value() != 7 {
		t.Errorf("the list is %s", listed)
	}
	all := did[model.ListNamespacesResponse](t, 200)(sdk.ListNamespaces(&model.ListNamespacesRequest{}))
	if len(*all.Namespaces) != 2 {
		t.Errorf("the whole list is %s", all)
	}

	c.createBySDK(t, sdk, group, "busybox", false)
	_, err = sdk.DeleteNamespaces(&model.DeleteNamespacesRequest{Namespace: group})
	fails(t, 406, "4060074", err)
	did[model.DeleteRepoResponse](t, 204)(sdk.DeleteRepo(&model.DeleteRepoRequest{Namespace: group, Repository: "busybox"}))
	did[model.DeleteNamespacesResponse](t, 204)(sdk.DeleteNamespaces(&model.DeleteNamespacesRequest{Namespace: group}))
	_, err = sdk.ShowNamespace(&model.ShowNamespaceRequest{Namespace: group})
	fails(t, 404, "4040000", err)
}

func (c client) createBySDK(t *testing.T, sdk *swr.SwrClient, namespace, name string, public bool) {
	t.Helper()
	linux := model.GetCreateRepoRequestBodyCategoryEnum().LINUX
	did[model.CreateRepoResponse](t, 201)(sdk.CreateRepo(&model.CreateRepoRequest{
		ContentType: model.GetCreateRepoRequestContentTypeEnum().APPLICATION_JSONCHARSETUTF_8, Namespace: namespace,
		Body: &model.CreateRepoRequestBody{Repository: name, IsPublic: public, Category: &linux, Description: ptr("this is a busybox repository")},
	}))
}

func TestSDKRepositories(t *testing.T) {
	hub := theHub(t)
	c := hub.account(t)
	sdk := c.sdk(t)
	c.createBySDK(t, sdk, c.user, "busybox", true)
	c.createBySDK(t, sdk, c.user, "nginx", false)
	_, err := sdk.CreateRepo(&model.CreateRepoRequest{Namespace: c.user, Body: &model.CreateRepoRequestBody{Repository: "busybox"}})
	fails(t, 409, "4090006", err)
	_, err = sdk.CreateRepo(&model.CreateRepoRequest{Namespace: c.user, Body: &model.CreateRepoRequestBody{Repository: "a/b"}})
	fails(t, 400, "4001029", err)

	r := did[model.ShowRepositoryResponse](t, 200)(sdk.ShowRepository(&model.ShowRepositoryRequest{Namespace: c.user, Repository: "busybox"}))
	if *r.Name != "busybox" || *r.Category != "linux" || *r.Description != "this is a busybox repository" || !*r.IsPublic || *r.Id <= 0 || *r.NsId <= 0 ||
		*r.CreatorName != c.user || *r.NumImages != 0 || *r.Path != hub.host+"/"+c.user+"/busybox" || r.Size == nil || r.NumDownload == nil || r.Priority == nil {
		t.Errorf("the repository is shown as %s", r)
	}
	if _, err := time.Parse("2006-01-02T15:04:05.000Z", *r.Created); err != nil || *r.Updated != *r.Created {
		t.Errorf("it was created at %s and changed at %s", *r.Created, *r.Updated)
	}
	database := model.GetUpdateRepoRequestBodyCategoryEnum().DATABASE
	did[model.UpdateRepoResponse](t, 201)(sdk.UpdateRepo(&model.UpdateRepoRequest{Namespace: c.user, Repository: "busybox",
		Body: &model.UpdateRepoRequestBody{IsPublic: false, Category: &database, Description: ptr("changed")}}))

	list := did[model.ListReposDetailsResponse](t, 200)(sdk.ListReposDetails(&model.ListReposDetailsRequest{
		Namespace: &c.user, Limit: ptr("1"), Offset: ptr("0"), OrderColumn: ptr("updated_at"), OrderType: ptr("desc")}))
	if l := *list.Body; len(l) != 1 || l[0].Name != "busybox" || l[0].Category != "database" || l[0].Description != "changed" || l[0].IsPublic ||
		l[0].Namespace != c.user || l[0].TotalRange != 2 || l[0].Tags == nil || *list.ContentRange != "0-0/2" {
		t.Errorf("the list is %s", list)
	}
	for filter, want := range map[string]int{
		"namespace::" + c.user: 2, "namespace::" + c.user + "|name::ngin": 1, "namespace::" + c.user + "|category::linux|limit::10|offset::0": 1,
		"namespace::" + c.user + "|order_column::tag_count|order_type::desc": 2,
	} {
		list := did[model.ListReposDetailsResponse](t, 200)(sdk.ListReposDetails(&model.ListReposDetailsRequest{Filter: &filter}))
		if len(*list.Body) != want {
			t.Errorf("%s: the list is %s", filter, list)
		}
	}
	did[model.DeleteRepoResponse](t, 204)(sdk.DeleteRepo(&model.DeleteRepoRequest{Namespace: c.user, Repository: "nginx"}))
	_, err = sdk.ShowRepository(&model.ShowRepositoryRequest{Namespace: c.user, Repository: "nginx"})
	fails(t, 404, "4040000", err)
}

func TestSDKTags(t *testing.T) {
	hub := theHub(t)
	c := hub.account(t)
	sdk := c.sdk(t)
	c.createBySDK(t, sdk, c.user, "busybox", false)
	i := newImage(1, 1000)
	c.mustPush(t, c.user+"/busybox", "v1", i)
	retag := func(to string, override *bool) (*model.CreateRepoTagResponse, error) {
		return sdk.CreateRepoTag(&model.CreateRepoTagRequest{Namespace: c.user, Repository: "busybox",
			Body: &model.CreateRepoTagRequestBody{SourceTag: "v1", DestinationTag: to, Override: override}})
	}
	did[model.CreateRepoTagResponse](t, 201)(retag("latest", nil))
	did[model.CreateRepoTagResponse](t, 201)(retag("latest", ptr(true)))
	c.mustVerify(t, c.user+"/busybox", "latest", i)
	c.mustPush(t, c.user+"/busybox", "v2", newImage(1, 1000))
	_, err := retag("v2", ptr(false))
	fails(t, 409, "4090000", err)

	list := did[model.ListRepositoryTagsResponse](t, 200)(sdk.ListRepositoryTags(&model.ListRepositoryTagsRequest{Namespace: c.user, Repository: "busybox",
		Limit: ptr("10"), Offset: ptr("0"), OrderColumn: ptr("updated_at"), OrderType: ptr("asc")}))
	if l := *list.Body; len(l) != 3 || *list.ContentRange != "0-2/3" || l[0].Tag != "v1" || l[0].Digest != i.digest || l[0].Manifest != string(i.manifest) ||
		l[0].Schema != 2 || l[0].TagType != 0 || l[0].Path != hub.host+"/"+c.user+"/busybox:v1" || l[0].Id <= 0 || l[0].RepoId <= 0 || l[0].Deleted != "" {
		t.Errorf("the list is %s", list)
	}
	one := did[model.ListRepositoryTagsResponse](t, 200)(sdk.ListRepositoryTags(&model.ListRepositoryTagsRequest{Namespace: c.user, Repository: "busybox", Filter: ptr("tag::latest")}))
	if l := *one.Body; len(l) != 1 || l[0].Tag != "latest" {
		t.Errorf("the list of latest is %s", one)
	}
	shown := did[model.ShowRepoTagResponse](t, 200)(sdk.ShowRepoTag(&model.ShowRepoTagRequest{Namespace: c.user, Repository: "busybox", Tag: "v1"}))
	if *shown.Tag != "v1" || *shown.Digest != i.digest || *shown.Manifest != string(i.manifest) || *shown.Size <= 1000 || *shown.IsTrusted {
		t.Errorf("the tag is shown as %s", shown)
	}
	_, err = sdk.DeleteRepo(&model.DeleteRepoRequest{Namespace: c.user, Repository: "busybox"})
	fails(t, 406, "4060012", err)
	did[model.DeleteRepoTagResponse](t, 204)(sdk.DeleteRepoTag(&model.DeleteRepoTagRequest{Namespace: c.user, Repository: "busybox", Tag: "latest"}))
	_, err = sdk.ShowRepoTag(&model.ShowRepoTagRequest{Namespace: c.user, Repository: "busybox", Tag: "latest"})
	fails(t, 404, "4040000", err)
	c.mustVerify(t, c.user+"/busybox", "v1", i)
}

func TestSDKPermissions(t *testing.T) {
	hub := theHub(t)
	c, other := hub.account(t), hub.account(t)
	sdk, theirs := c.sdk(t), other.sdk(t)
	c.createBySDK(t, sdk, c.user, "busybox", false)
	role := func(n int64) *[]model.UserAuth {
		var auth model.UserAuthAuth
		if err := json.Unmarshal([]byte(strconv.FormatInt(n, 10)), &auth); err != nil {
			t.Fatal(err)
		}
		return &[]model.UserAuth{{UserId: other.user, UserName: other.user, Auth: auth}}
	}
	who := &[]string{other.user}

	did[model.CreateNamespaceAuthResponse](t, 201)(sdk.CreateNamespaceAuth(&model.CreateNamespaceAuthRequest{Namespace: c.user, Body: role(1)}))
	did[model.UpdateNamespaceAuthResponse](t, 201)(sdk.UpdateNamespaceAuth(&model.UpdateNamespaceAuthRequest{Namespace: c.user, Body: role(3)}))
	ns := did[model.ShowNamespaceAuthResponse](t, 200)(theirs.ShowNamespaceAuth(&model.ShowNamespaceAuthRequest{Namespace: c.user}))
	if o := *ns.OthersAuths; *ns.Name != c.user || *ns.CreatorName != c.user || *ns.Id <= 0 || ns.SelfAuth.UserName != other.user || ns.SelfAuth.Auth.Value() != 3 ||
		len(o) != 1 || o[0].UserId != c.user || o[0].Auth.Value() != 7 {
		t.Errorf("the permissions are %s", ns)
	}
	_, err := theirs.UpdateNamespaceAuth(&model.UpdateNamespaceAuthRequest{Namespace: c.user, Body: role(7)})
	fails(t, 403, "4039002", err)
	did[model.DeleteNamespaceAuthResponse](t, 204)(sdk.DeleteNamespaceAuth(&model.DeleteNamespaceAuthRequest{Namespace: c.user, Body: who}))
	_, err = theirs.ShowNamespaceAuth(&model.ShowNamespaceAuthRequest{Namespace: c.user})
	fails(t, 403, "4039002", err)

	n, repo := c.user, "busybox"
	_, err = theirs.ShowUserRepositoryAuth(&model.ShowUserRepositoryAuthRequest{Namespace: n, Repository: repo})
	fails(t, 404, "4040000", err)
	did[model.CreateUserRepositoryAuthResponse](t, 201)(sdk.CreateUserRepositoryAuth(&model.CreateUserRepositoryAuthRequest{Namespace: n, Repository: repo, Body: role(1)}))
	did[model.UpdateUserRepositoryAuthResponse](t, 201)(sdk.UpdateUserRepositoryAuth(&model.UpdateUserRepositoryAuthRequest{Namespace: n, Repository: repo, Body: role(3)}))
	got := did[model.ShowUserRepositoryAuthResponse](t, 200)(theirs.ShowUserRepositoryAuth(&model.ShowUserRepositoryAuthRequest{Namespace: n, Repository: repo}))
	if *got.Name != repo || *got.Id <= 0 || got.SelfAuth.UserId != other.user || got.SelfAuth.Auth.Value() != 3 || got.OthersAuths == nil {
		t.Errorf("the permissions are %s", got)
	}
	visible := did[model.ListNamespacesResponse](t, 200)(theirs.ListNamespaces(&model.ListNamespacesRequest{Filter: ptr("namespace::" + c.user + "|mode::visible")}))
	if len(*visible.Namespaces) != 1 {
		t.Errorf("the visible namespaces are %s", visible)
	}
	did[model.DeleteUserRepositoryAuthResponse](t, 204)(sdk.DeleteUserRepositoryAuth(&model.DeleteUserRepositoryAuthRequest{Namespace: n, Repository: repo, Body: who}))
	_, err = theirs.ShowRepository(&model.ShowRepositoryRequest{Namespace: n, Repository: repo})
	fails(t, 404, "4040000", err)
}

func TestSDKRetention(t *testing.T) {
	hub := theHub(t)
	c := hub.account(t)
	sdk := c.sdk(t)
	c.createBySDK(t, sdk, c.user, "busybox", false)
	for _, tag := range []string{"a1", "a2", "v5"} {
		c.mustPush(t, c.user+"/busybox", tag, newImage(1, 100))
	}
	var params interface{} = map[string]string{"num": "1"}
	rules := []model.Rule{{Template: model.GetRuleTemplateEnum().TAG_RULE, Params: &params, TagSelectors: []model.TagSelector{{Kind: "label", Pattern: "v5"}}}}
	made := did[model.CreateRetentionResponse](t, 201)(sdk.CreateRetention(&model.CreateRetentionRequest{Namespace: c.user, Repository: "busybox",
		Body: &model.CreateRetentionRequestBody{Algorithm: "or", Rules: rules}}))
	id := *made.Id
	_, err := sdk.CreateRetention(&model.CreateRetentionRequest{Namespace: c.user, Repository: "busybox", Body: &model.CreateRetentionRequestBody{Algorithm: "and", Rules: rules}})
	fails(t, 400, "4000000", err)
	list := did[model.ListRetentionsResponse](t, 200)(sdk.ListRetentions(&model.ListRetentionsRequest{Namespace: c.user, Repository: "busybox"}))
	if l := *list.Body; len(l) != 1 || l[0].Id != id || l[0].Algorithm != "or" || len(l[0].Rules) != 1 || l[0].Rules[0].TagSelectors[0].Pattern != "v5" {
		t.Errorf("the policies are %s", list)
	}
	hub.call(t, 200, "POST", "/v1/admin/retention", "")
	tags := did[model.ListRepositoryTagsResponse](t, 200)(sdk.ListRepositoryTags(&model.ListRepositoryTagsRequest{Namespace: c.user, Repository: "busybox"}))
	if l := *tags.Body; len(l) != 2 || l[0].Tag != "v5" || l[1].Tag != "a2" {
		t.Errorf("after the policy was executed the tags are %s", tags)
	}
	logs := did[model.ListRetentionHistoriesResponse](t, 200)(sdk.ListRetentionHistories(&model.ListRetentionHistoriesRequest{Namespace: c.user, Repository: "busybox",
		Limit: ptr("10"), Offset: ptr("0")}))
	if l := *logs.RetentionLog; *logs.Total != 1 || len(l) != 1 || l[0].Tag != "a1" || l[0].RetentionId != id || l[0].Repo != "busybox" || l[0].Namespace != c.user ||
		l[0].Id != 1 || *logs.ContentRange != "0-0/1" || l[0].RuleType != `{"template":"tag_rule","params":{"num":"1"},"tag_selectors":[{"kind":"label","pattern":"v5"}]}` {
		t.Errorf("the history is %s", logs)
	}
	var days interface{} = map[string]string{"days": "30"}
	other := []model.Rule{{Template: model.GetRuleTemplateEnum().DATE_RULE, Params: &days}}
	did[model.UpdateRetentionResponse](t, 201)(sdk.UpdateRetention(&model.UpdateRetentionRequest{Namespace: c.user, Repository: "busybox", RetentionId: id,
		Body: &model.UpdateRetentionRequestBody{Algorithm: "or", Rules: other}}))
	shown := did[model.ShowRetentionResponse](t, 200)(sdk.ShowRetention(&model.ShowRetentionRequest{Namespace: c.user, Repository: "busybox", RetentionId: id}))
	if r := *shown.Rules; *shown.Id != id || len(r) != 1 || r[0].Template.Value() != "date_rule" || (*r[0].Params).(map[string]interface{})["days"] != "30" {
		t.Errorf("the policy is shown as %s", shown)
	}
	did[model.DeleteRetentionResponse](t, 204)(sdk.DeleteRetention(&model.DeleteRetentionRequest{Namespace: c.user, Repository: "busybox", RetentionId: id}))
	_, err = sdk.ShowRetention(&model.ShowRetentionRequest{Namespace: c.user, Repository: "busybox", RetentionId: id})
	fails(t, 404, "4040000", err)
}

func TestSDKOverviewAndSecret(t *testing.T) {
	hub := theHub(t)
	c := hub.account(t)
	sdk := c.sdk(t)
	c.createBySDK(t, sdk, c.user, "busybox", false)
	c.mustPush(t, c.user+"/busybox", "v1", newImage(1, 1000))
	o := did[model.ShowDomainOverviewResponse](t, 200)(sdk.ShowDomainOverview(&model.ShowDomainOverviewRequest{}))
	if *o.NamspaceNum != 1 || *o.RepoNum != 1 || *o.ImageNum != 1 || *o.StoreSpace <= 1000 || *o.DomainName != c.user || *o.DomainId == "" || *o.DownflowSize != 0 {
		t.Errorf("the overview is %s", o)
	}
	s := did[model.CreateSecretResponse](t, 200)(sdk.CreateSecret(&model.CreateSecretRequest{Projectname: ptr("cn-north-1")}))
	pair, err := base64.StdEncoding.DecodeString(s.Auths[hub.host].Auth)
	user, password, ok := strings.Cut(string(pair), ":")
	if err != nil || !ok || *s.XSwrDockerlogin != "docker login -u "+user+" -p "+password+" "+hub.host {
		t.Fatalf("the log-in is %s", s)
	}
	if ends, err := time.Parse("2006-01-02T15:04:05.000Z", *s.XSwrExpireat); err != nil || time.Until(ends) < 23*time.Hour || time.Until(ends) > 24*time.Hour {
		t.Errorf("the log-in ends at %s", *s.XSwrExpireat)
	}
	docker := hub.as(user, password)
	docker.mustPush(t, c.user+"/busybox", "v2", newImage(1, 10))
	docker.call(t, 403, "DELETE", "/v1/repositories/"+c.user+"/busybox", "")
}

// A request that is not signed with the right secret key is nobody's.
func TestSDKWrongSecret(t *testing.T) {
	c := theHub(t).account(t)
	sdk := sdkWith(t, c.base, "aaaaaaaaaaaaaaaaaaaa", "not the secret key")
	_, err := sdk.ListNamespaces(&model.ListNamespacesRequest{})
	fails(t, 401, "4010000", err)
}
