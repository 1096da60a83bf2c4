// Package registry is the OCI Distribution Specification 1.1 over the hub, with
// Docker's token authentication.
package registry

import (
	"net/http"
	"slices"

	"berth/shared/hub"
	"berth/shared/store"
	"berth/shared/web"
)

// Routes are the registry's operations.
func Routes() []web.Route {
	return slices.Concat(tokenRoutes(), uploadRoutes(), blobRoutes(), manifestRoutes(), listRoutes())
}

const repository = "/v2/{namespace}/{repo}"

var (
	finds  = web.Needs{Read: []store.Table{store.Repositories}}
	reads  = web.Needs{Read: []store.Table{store.Repositories, store.Tags}}
	writes = web.Needs{Write: []store.Table{store.Repositories, store.Tags}}
)

func with(n web.Needs, r web.Rights) web.Needs {
	n.Layers = r
	return n
}

func tokenRoutes() []web.Route {
	return []web.Route{
		{
			Name: "registry-ping", Surface: web.Registry, Method: http.MethodGet, Pattern: "/v2", Rule: web.Open,
			Needs:  finds,
			Doc:    web.Doc{Summary: "Whether the registry is there and knows the caller", Answers: map[int]any{200: struct{}{}}},
			Handle: ping,
		},
		{
			Name: "registry-token", Surface: web.Registry, Method: http.MethodGet, Pattern: "/v2/token", Rule: web.Open,
			Needs: finds,
			Doc: web.Doc{
				Summary: "A registry token for the scopes that the caller may have",
				Query: []web.Param{
					{Name: "service", About: "the registry's host; not judged"},
					{Name: "scope", About: "repository:namespace/name:pull,push or registry:catalog:*; may be given several times"},
					{Name: "account", About: "the user name; not judged"},
					{Name: "client_id", About: "the client's name; not judged"},
					{Name: "offline_token", About: "a refresh token is wanted too", Type: "boolean"},
				},
				Answers: map[int]any{200: tokenAnswer{}},
			},
			Handle: token,
		},
		{
			Name: "registry-token-post", Surface: web.Registry, Method: http.MethodPost, Pattern: "/v2/token", Rule: web.Open,
			Needs: finds,
			Doc: web.Doc{
				Summary: "A registry token by the OAuth2 password or refresh_token grant",
				Body:    (*tokenForm)(nil), Form: true, Answers: map[int]any{200: tokenAnswer{}},
			},
			Unaudited: true,
			Handle:    tokenPost,
		},
	}
}

func uploadRoutes() []web.Route {
	needs := with(writes, web.WriteLayers)
	return []web.Route{
		{
			Name: "registry-upload-start", Surface: web.Registry, Method: http.MethodPost, Pattern: repository + "/blobs/uploads", Rule: web.RepositoryPush,
			Needs: needs,
			Doc: web.Doc{
				Summary: "Begin an upload, push a whole blob, or mount one of another repository",
				BytesIn: true,
				Query: []web.Param{
					{Name: "digest", About: "the body is the whole blob, with this digest"},
					{Name: "mount", About: "digest of a blob to mount"},
					{Name: "from", About: "the repository to mount from; without it the namespace is searched"},
					{Name: "direct", About: "1: the blob with this digest is to go straight to the storage, if that takes it: Berth-Direct-Url tells where"},
					{Name: "size", About: "with direct: the blob's length in bytes"},
					{Name: "digest-algorithm", About: "the algorithm of the digest to come: sha256 or sha512"},
				},
				Answers: map[int]any{201: nil, 202: nil},
			},
			Unaudited: true,
			Handle:    startUpload,
		},
		{
			Name: "registry-upload-get", Surface: web.Registry, Method: http.MethodGet, Pattern: repository + "/blobs/uploads/{upload}", Rule: web.RepositoryWriter,
			Needs:  reads,
			Doc:    web.Doc{Summary: "How far an upload has come", Answers: map[int]any{204: nil}},
			Handle: showUpload,
		},
		{
			Name: "registry-upload-patch", Surface: web.Registry, Method: http.MethodPatch, Pattern: repository + "/blobs/uploads/{upload}", Rule: web.RepositoryWriter,
			Needs:     needs,
			Doc:       web.Doc{Summary: "Add a chunk to an upload, or stream it", BytesIn: true, Answers: map[int]any{202: nil}},
			Unaudited: true,
			Handle:    patchUpload,
		},
		{
			Name: "registry-upload-put", Surface: web.Registry, Method: http.MethodPut, Pattern: repository + "/blobs/uploads/{upload}", Rule: web.RepositoryWriter,
			Needs: needs,
			Doc: web.Doc{
				Summary: "End an upload: it becomes a blob", BytesIn: true, Query: []web.Param{{Name: "digest", About: "the blob's digest"}},
				Answers: map[int]any{201: nil},
			},
			Unaudited: true,
			Handle:    putUpload,
		},
		{
			Name: "registry-upload-delete", Surface: web.Registry, Method: http.MethodDelete, Pattern: repository + "/blobs/uploads/{upload}", Rule: web.RepositoryWriter,
			Needs:     needs,
			Doc:       web.Doc{Summary: "Cancel an upload", Answers: map[int]any{204: nil}},
			Unaudited: true,
			Handle:    cancelUpload,
		},
	}
}

func blobRoutes() []web.Route {
	return []web.Route{
		{
			Name: "registry-blob-get", Surface: web.Registry, Method: http.MethodGet, Pattern: repository + "/blobs/{digest}", Rule: web.RepositoryReader,
			Needs:  with(writes, web.ReadLayers), // a pusher's HEAD touches the blob
			Doc:    web.Doc{Summary: "Read a blob, whole or a range of it", BytesOut: true, Answers: map[int]any{200: nil, 206: nil, 307: nil}},
			Handle: getBlob,
			Items: func(id string, r *http.Request) []store.Key {
				return hub.BlobKeys(id, r.PathValue("digest"))
			},
		},
		{
			Name: "registry-blob-delete", Surface: web.Registry, Method: http.MethodDelete, Pattern: repository + "/blobs/{digest}", Rule: web.RepositoryWriter,
			Needs:  writes,
			Doc:    web.Doc{Summary: "Remove a blob that no manifest refers to from the repository", Answers: map[int]any{202: nil}},
			Handle: deleteBlob,
		},
	}
}

func manifestRoutes() []web.Route {
	return []web.Route{
		{
			Name: "registry-manifest-get", Surface: web.Registry, Method: http.MethodGet, Pattern: repository + "/manifests/{reference}", Rule: web.RepositoryReader,
			Needs:  web.Needs{Read: reads.Read, Layers: web.ReadLayers, Sends: []web.Queue{web.Pulls}},
			Doc:    web.Doc{Summary: "Read a manifest by tag or digest", BytesOut: true, Answers: map[int]any{200: nil}},
			Handle: getManifest,
			Items: func(id string, r *http.Request) []store.Key {
				return hub.ManifestKeys(id, r.PathValue("reference"), r.Method != http.MethodHead)
			},
		},
		{
			Name: "registry-manifest-put", Surface: web.Registry, Method: http.MethodPut, Pattern: repository + "/manifests/{reference}", Rule: web.RepositoryPush,
			Needs: web.Needs{Write: store.Tables, Layers: web.WriteLayers, Sends: []web.Queue{web.Webhooks}},
			Doc: web.Doc{
				Summary: "Push a manifest by tag or digest",
				BytesIn: true,
				Query:   []web.Param{{Name: "tag", About: "with a digest: a tag to set; may be given several times"}},
				Answers: map[int]any{201: nil},
			},
			Handle: putManifest,
		},
		{
			Name: "registry-manifest-delete", Surface: web.Registry, Method: http.MethodDelete, Pattern: repository + "/manifests/{reference}", Rule: web.RepositoryWriter,
			Needs:  with(writes, web.WriteLayers),
			Doc:    web.Doc{Summary: "Remove a tag, or a manifest with all its tags", Answers: map[int]any{202: nil}},
			Handle: deleteManifest,
		},
	}
}

func listRoutes() []web.Route {
	n := []web.Param{
		{Name: "n", About: "at most so many", Type: "integer"},
		{Name: "last", About: "only what sorts after this"},
	}
	return []web.Route{
		{
			Name: "registry-catalog", Surface: web.Registry, Method: http.MethodGet, Pattern: "/v2/_catalog", Rule: web.Open,
			Needs:  finds,
			Doc:    web.Doc{Summary: "List the repositories that the caller may read", Query: n, Answers: map[int]any{200: catalogList{}}},
			Handle: catalog,
		},
		{
			Name: "registry-tag-list", Surface: web.Registry, Method: http.MethodGet, Pattern: repository + "/tags/list", Rule: web.RepositoryReader,
			Needs:  reads,
			Doc:    web.Doc{Summary: "List tags by name", Query: n, Answers: map[int]any{200: tagList{}}},
			Handle: listTags,
		},
		{
			Name: "registry-referrer-list", Surface: web.Registry, Method: http.MethodGet, Pattern: repository + "/referrers/{digest}", Rule: web.RepositoryReaderOrNew,
			Needs: with(reads, web.ReadLayers),
			Doc: web.Doc{
				Summary: "List the manifests that refer to a subject", Query: []web.Param{
					{Name: "artifactType", About: "only those of this type"}, {Name: "last", About: "where a Link goes on"},
				},
				Answers: map[int]any{200: referrerIndex{}},
			},
			Handle: listReferrers,
		},
	}
}
