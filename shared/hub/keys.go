package hub

import (
	"fmt"
	"strings"

	"berth/shared/store"
)

// Every key of every record is made here. Sub-records of a namespace or a
// repository hang on its id, not on its name, so that a namesake sees nothing of
// one that was deleted, and deleting is one write.
//
//	table repositories
//	  account/NAME      .                  Account
//	                    member/NS          Membership: the account's role in a namespace
//	                    grant/NS/REPO      Membership: its role in one repository
//	                    token/ID           its access tokens (tokenIndex)
//	                    stats              counts: tokens, orgs
//	  failed/NAMEHASH   all, from/HASH     recent failed log-ins, see failures.go
//	  audit             entry/INVTIME/ID   AuditEntry of what belongs to no namespace
//	                    count/SHARD        counts: entries
//	  token/ID          .                  AccessToken
//	  namespace/NAME    .                  Namespace
//	  ns/NSID           repo/NAME          repoEntry: what lists and access checks need
//	                    member/ACCOUNT     Membership
//	                    token/ID           robots' tokens
//	                    stats              counts: members, tokens (robots), secrets
//	                    secret/NAME        Secret
//	                    hooks              all its webhooks, see webhooks.go
//	                    delivery/HOOK/TURN Delivery, in 100 places that are used in turn
//	                    delivery/HOOK/turn how many there were
//	                    audit/INVTIME/ID   AuditEntry
//	                    audits/SHARD       counts: entries
//	                    count/SHARD        counts: public, private (repositories)
//	                    used/SHARD         counts: bytes (quota)
//	  repo/REPOID       .                  Repository
//	                    readme             full description, where there is one
//	                    stats              counts: see stat*
//	                    grant/ACCOUNT      Membership
//	                    star/ACCOUNT       a star that the account gave
//	                    retention          retentionState: its policies
//	                    retained/INVNUMBER RetentionLog, the latest first
//	  index/all         NS/REPO            repoEntry of every repository
//	  index/public      NS/REPO            repoEntry of every public one
//	  index/namespaces  NAME               nsEntry
//	  index/retention   REPOID             retentionRef of every repository with policies
//	  index/accounts    NAME               accounts, for administrators
//	  count             SHARD              counts: public, private (repositories of the hub)
//	  pull/ID           .                  a message about a pull that was counted
//
//	table tags
//	  repo/REPOID       tag/TAG            Tag
//	                    pushed/INVTIME/TAG Tag again, in the order of pushes, newest first
//	                    bydigest/DIGEST/TAG
//	                    cache/NAME         Tag: what builds keep for later builds; counts: used
//	                    pulled/TAG         counts: at (milliseconds), of the tag
//	                    manifest/DIGEST    Manifest; counts: used (milliseconds)
//	                    body/DIGEST        the manifest's bytes, up to 256 KiB
//	                    referrer/SUBJECT/TYPEHASH/DIGEST  descriptor
//	                    untagged/DIGEST    when a manifest was marked: it goes if nothing wants it
//	                    blob/DIGEST        Link; counts: used (milliseconds)
//	  blob/DIGEST       .                  Blob; counts: used
//	                    link/NSID/REPOID   back-reference of a Link
//	  upload/ID         .                  Upload
//	  sweep/KIND        KEY                work that a sweep ends: see sweeps.go
//
//	table builds
//	  outbox/SHARD      event/DUE/ID       what must follow a change: see outbox.go
//	                    delivery/DUE/ID
//	                    mail/DUE/BUILDID
//	  ids               .                  the next number for build and tag configurations
//	  config/REPOID     .                  BuildConfig
//	  hookcode/CODE     .                  id of the repository behind a webhook's code
//	  delivery/CODE     ID                 webhook deliveries that were seen, for 7 days
//	  version/REPOID    TAG                version tags that are taken
//	  build/ID          .                  Build; counts: log, line, of its log so far
//	  builds/ns/NSID, builds/repo/REPOID, builds/by/ACCOUNT
//	                    INVTIME/ID         Build again, newest first
//	                    count              counts: builds
//	  queue/NSID        .                  queue: what waits and runs in a namespace
//	  queue/active      NSID               its name, as long as it is not empty
//	  stop              BUILDID            that something may still run of a build that is over
//	  log/BUILDID       SEQ                logChunk, by its first line
const self = "."

func rkey(part, sort string) store.Key {
	return store.Key{Table: store.Repositories, Part: part, Sort: sort}
}
func tkey(part, sort string) store.Key {
	return store.Key{Table: store.Tags, Part: part, Sort: sort}
}

func accountKey(name string) store.Key                { return rkey("account/"+name, self) }
func accountMemberKey(name, ns string) store.Key      { return rkey("account/"+name, "member/"+ns) }
func accountGrantKey(name, path string) store.Key     { return rkey("account/"+name, "grant/"+path) }
func accountTokenKey(name, id string) store.Key       { return rkey("account/"+name, "token/"+id) }
func starKey(repoID, account string) store.Key        { return rkey("repo/"+repoID, "star/"+account) }
func accountStatsKey(name string) store.Key           { return rkey("account/"+name, "stats") }
func namespaceStatsKey(nsID string) store.Key         { return rkey("ns/"+nsID, "stats") }
func hooksKey(nsID string) store.Key                  { return rkey("ns/"+nsID, "hooks") }
func secretKey(nsID, name string) store.Key           { return rkey("ns/"+nsID, "secret/"+name) }
func tokenKey(id string) store.Key                    { return rkey("token/"+id, self) }
func namespaceKey(name string) store.Key              { return rkey("namespace/"+name, self) }
func entryKey(nsID, repo string) store.Key            { return rkey("ns/"+nsID, "repo/"+repo) }
func memberKey(nsID, account string) store.Key        { return rkey("ns/"+nsID, "member/"+account) }
func robotTokenKey(nsID, id string) store.Key         { return rkey("ns/"+nsID, "token/"+id) }
func repositoryKey(id string) store.Key               { return rkey("repo/"+id, self) }
func readmeKey(id string) store.Key                   { return rkey("repo/"+id, "readme") }
func statsKey(id string) store.Key                    { return rkey("repo/"+id, "stats") }
func repoGrantKey(id, account string) store.Key       { return rkey("repo/"+id, "grant/"+account) }
func allIndexKey(path string) store.Key               { return rkey("index/all", path) }
func publicIndexKey(path string) store.Key            { return rkey("index/public", path) }
func namespaceIndexKey(name string) store.Key         { return rkey("index/namespaces", name) }
func accountIndexKey(name string) store.Key           { return rkey("index/accounts", name) }
func tagKey(repoID, tag string) store.Key             { return tkey("repo/"+repoID, "tag/"+tag) }
func pulledKey(repoID, tag string) store.Key          { return tkey("repo/"+repoID, "pulled/"+tag) }
func manifestKey(repoID, digest string) store.Key     { return tkey("repo/"+repoID, "manifest/"+digest) }
func manifestBodyKey(repoID, digest string) store.Key { return tkey("repo/"+repoID, "body/"+digest) }
func linkKey(repoID, digest string) store.Key         { return tkey("repo/"+repoID, "blob/"+digest) }
func blobKey(digest string) store.Key                 { return tkey("blob/"+digest, self) }
func backLinkKey(digest, nsID, repoID string) store.Key {
	return tkey("blob/"+digest, "link/"+nsID+"/"+repoID)
}
func uploadKey(id string) store.Key         { return tkey("upload/"+id, self) }
func sweepKey(kind, key string) store.Key   { return tkey("sweep/"+kind, key) }
func countKey(nsID string, s int) store.Key { return rkey("ns/"+nsID, "count/"+shardName(s)) }
func hubCountKey(_ string, s int) store.Key { return rkey("count", shardName(s)) }
func pullMarkKey(id string) store.Key       { return rkey("pull/"+id, self) }
func usedKey(nsID string, s int) store.Key  { return rkey("ns/"+nsID, "used/"+shardName(s)) }

func bkey(part, sort string) store.Key {
	return store.Key{Table: store.Builds, Part: part, Sort: sort}
}

func idsKey() store.Key                         { return bkey("ids", self) }
func configKey(repoID string) store.Key         { return bkey("config/"+repoID, self) }
func hookCodeKey(code string) store.Key         { return bkey("hookcode/"+code, self) }
func codeDeliveryKey(code, id string) store.Key { return bkey("delivery/"+code, id) }
func versionKey(repoID, tag string) store.Key   { return bkey("version/"+repoID, tag) }
func buildKey(id string) store.Key              { return bkey("build/"+id, self) }
func queueKey(nsID string) store.Key            { return bkey("queue/"+nsID, self) }
func activeQueueKey(nsID string) store.Key      { return bkey("queue/active", nsID) }
func stopKey(buildID string) store.Key          { return bkey("stop", buildID) }
func logKey(buildID string, seq int64) store.Key {
	return bkey("log/"+buildID, fmt.Sprintf("%012d", seq))
}

// shards is how many items share a count that many pushes meet.
const shards = 16

const shardNames = "0123456789abcdef"

func shardName(s int) string { return shardNames[s : s+1] }

// shardOf picks the shard for an id, evenly.
func shardOf(id string) int {
	var x uint32 = 2166136261 // FNV-1a
	for i := range len(id) {
		x = (x ^ uint32(id[i])) * 16777619
	}
	return int(x>>16) % shards
}

// path joins a namespace and a repository as the registry names them.
func path(ns, repo string) string { return ns + "/" + repo }

// splitPath is the reverse of path; ok is false unless there are exactly two parts.
func splitPath(p string) (ns, repo string, ok bool) {
	ns, repo, ok = strings.Cut(p, "/")
	return ns, repo, ok && ns != "" && repo != "" && !strings.Contains(repo, "/")
}
