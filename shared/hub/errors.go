package hub

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Code names a kind of failure. It is what /v1 shows as "code".
type Code string

const (
	BadRequest      Code = "bad_request"
	BadField        Code = "invalid_field"
	BadNamespace    Code = "invalid_namespace"
	BadRepository   Code = "invalid_repository"
	BadIsPublic     Code = "invalid_is_public"
	BadTag          Code = "invalid_tag"
	TooManyTags     Code = "too_many_tags"
	BadDigest       Code = "invalid_digest"
	BadManifest     Code = "invalid_manifest"
	BadUpload       Code = "invalid_upload"
	BadSize         Code = "invalid_size"
	BadRange        Code = "invalid_range"      // of an upload's chunk
	BadByteRange    Code = "invalid_byte_range" // of a blob that is read
	Unauthenticated Code = "unauthenticated"
	Denied          Code = "permission_denied"
	QuotaExceeded   Code = "quota_exceeded"
	TagImmutable    Code = "tag_immutable"

	NotFound           Code = "not_found"
	NamespaceNotFound  Code = "namespace_not_found"
	RepositoryNotFound Code = "repository_not_found"
	TagNotFound        Code = "tag_not_found"
	ManifestNotFound   Code = "manifest_not_found"
	BlobNotFound       Code = "blob_not_found"
	ManifestBlob       Code = "manifest_blob_unknown"
	UploadNotFound     Code = "upload_not_found"
	AccountNotFound    Code = "account_not_found"

	WrongMethod        Code = "method_not_allowed"
	Conflict           Code = "conflict"
	NamespaceExists    Code = "namespace_exists"
	RepositoryExists   Code = "repository_exists"
	AccountExists      Code = "account_exists"
	NamespaceNotEmpty  Code = "namespace_not_empty"
	RepositoryNotEmpty Code = "repository_not_empty"
	BlobInUse          Code = "blob_in_use"

	TooLarge        Code = "too_large"
	TooManyRequests Code = "too_many_requests"
	Unsupported     Code = "unsupported"
	Internal        Code = "internal_error"
	Unavailable     Code = "unavailable"
	StorageFull     Code = "storage_full"
)

// Shape is how a Code looks on each surface. It is the one table of statuses.
type Shape struct {
	Status int    // on /v1, and elsewhere where nothing else is given
	Manage string // digits after SVCSTG.SWR.; "" = status + "0000"
	// ManageStatus is the status on /v2/manage where it differs; 0 = Status.
	ManageStatus int
	OCI          string // code of the registry's error body
	// OCIStatus is the status on the registry where it differs; 0 = Status.
	OCIStatus int
}

var shapes = map[Code]Shape{
	BadRequest:      {Status: http.StatusBadRequest, OCI: "UNSUPPORTED"},
	BadField:        {Status: http.StatusBadRequest, OCI: "UNSUPPORTED"},
	BadNamespace:    {Status: http.StatusBadRequest, Manage: "4001028", OCI: "NAME_INVALID"},
	BadRepository:   {Status: http.StatusBadRequest, Manage: "4001029", OCI: "NAME_INVALID"},
	BadIsPublic:     {Status: http.StatusBadRequest, Manage: "4001009", OCI: "UNSUPPORTED"},
	BadTag:          {Status: http.StatusBadRequest, OCI: "MANIFEST_INVALID"},
	TooManyTags:     {Status: http.StatusRequestURITooLong, OCI: "UNSUPPORTED"},
	BadDigest:       {Status: http.StatusBadRequest, OCI: "DIGEST_INVALID"},
	BadManifest:     {Status: http.StatusBadRequest, OCI: "MANIFEST_INVALID"},
	BadUpload:       {Status: http.StatusBadRequest, OCI: "BLOB_UPLOAD_INVALID"},
	BadSize:         {Status: http.StatusBadRequest, OCI: "SIZE_INVALID"},
	BadRange:        {Status: http.StatusRequestedRangeNotSatisfiable, OCI: "BLOB_UPLOAD_INVALID"},
	BadByteRange:    {Status: http.StatusRequestedRangeNotSatisfiable, OCI: "UNSUPPORTED"},
	Unauthenticated: {Status: http.StatusUnauthorized, OCI: "UNAUTHORIZED"},
	Denied:          {Status: http.StatusForbidden, Manage: "4039002", OCI: "DENIED"},
	QuotaExceeded:   {Status: http.StatusForbidden, OCI: "DENIED"},
	TagImmutable:    {Status: http.StatusConflict, OCI: "DENIED", OCIStatus: http.StatusForbidden},

	NotFound:           {Status: http.StatusNotFound, OCI: "NAME_UNKNOWN"},
	NamespaceNotFound:  {Status: http.StatusNotFound, OCI: "NAME_UNKNOWN"},
	RepositoryNotFound: {Status: http.StatusNotFound, OCI: "NAME_UNKNOWN"},
	TagNotFound:        {Status: http.StatusNotFound, OCI: "MANIFEST_UNKNOWN"},
	ManifestNotFound:   {Status: http.StatusNotFound, OCI: "MANIFEST_UNKNOWN"},
	BlobNotFound:       {Status: http.StatusNotFound, OCI: "BLOB_UNKNOWN"},
	ManifestBlob:       {Status: http.StatusNotFound, OCI: "MANIFEST_BLOB_UNKNOWN"},
	UploadNotFound:     {Status: http.StatusNotFound, OCI: "BLOB_UPLOAD_UNKNOWN"},
	AccountNotFound:    {Status: http.StatusNotFound, OCI: "NAME_UNKNOWN"},

	WrongMethod:        {Status: http.StatusMethodNotAllowed, OCI: "UNSUPPORTED"},
	Conflict:           {Status: http.StatusConflict, OCI: "DENIED"},
	NamespaceExists:    {Status: http.StatusConflict, Manage: "4090060", OCI: "DENIED"},
	RepositoryExists:   {Status: http.StatusConflict, Manage: "4090006", OCI: "DENIED"},
	AccountExists:      {Status: http.StatusConflict, OCI: "DENIED"},
	NamespaceNotEmpty:  {Status: http.StatusConflict, Manage: "4060074", ManageStatus: http.StatusNotAcceptable, OCI: "DENIED"},
	RepositoryNotEmpty: {Status: http.StatusConflict, Manage: "4060012", ManageStatus: http.StatusNotAcceptable, OCI: "DENIED"},
	BlobInUse:          {Status: http.StatusMethodNotAllowed, OCI: "UNSUPPORTED"},

	TooLarge:        {Status: http.StatusRequestEntityTooLarge, OCI: "SIZE_INVALID"},
	TooManyRequests: {Status: http.StatusTooManyRequests, OCI: "TOOMANYREQUESTS"},
	Unsupported:     {Status: http.StatusBadRequest, OCI: "UNSUPPORTED"},
	Internal:        {Status: http.StatusInternalServerError, OCI: "UNKNOWN"},
	// the Manage API knows 500 alone for what is the service's own trouble
	Unavailable: {Status: http.StatusServiceUnavailable, ManageStatus: http.StatusInternalServerError, OCI: "UNAVAILABLE"},
	StorageFull: {Status: http.StatusInsufficientStorage, ManageStatus: http.StatusInternalServerError, OCI: "UNAVAILABLE"},
}

// Shape returns how the code looks on each surface.
func (c Code) Shape() Shape {
	if s, ok := shapes[c]; ok {
		return s
	}
	return shapes[Internal]
}

// Error is a failure that the caller is told about. Every other error is the
// hub's own trouble: it is logged, and shown as [Internal].
type Error struct {
	Code    Code
	Message string        // what is wrong and what to do about it, as a sentence
	Detail  any           // the registry's "detail"; nil = none
	Wait    time.Duration // with TooManyRequests and Unavailable: when to try again
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Fail makes an *Error.
func Fail(c Code, format string, args ...any) error {
	return &Error{Code: c, Message: fmt.Sprintf(format, args...)}
}

// FailField says that a field of the input is bad, and how.
func FailField(name, format string, args ...any) error {
	return &Error{Code: BadField, Message: name + ": " + fmt.Sprintf(format, args...), Detail: map[string]string{"field": name}}
}

// fieldIn says of an error about a field what that field is in.
func fieldIn(place string, err error) error {
	var e *Error
	if !errors.As(err, &e) || e.Code != BadField {
		return err
	}
	name, says, _ := strings.Cut(e.Message, ": ")
	return FailField(place+"."+name, "%s", says)
}

// Named says of a failure about a name which field of the input has it, in place of
// what the name is of.
func Named(field string, err error) error {
	var e *Error
	if !errors.As(err, &e) || e.Code != BadNamespace && e.Code != BadRepository && e.Code != BadTag {
		return err
	}
	_, says, _ := strings.Cut(e.Message, ": ")
	return Fail(e.Code, "%s: %s", field, says)
}

// CodeOf is the kind of a failure, "" for the hub's own trouble and for none.
func CodeOf(err error) Code {
	var e *Error
	errors.As(err, &e)
	if e == nil {
		return ""
	}
	return e.Code
}

// is reports whether an error is a failure of that kind.
func is(err error, c Code) bool { return CodeOf(err) == c }

// isRefusal tells a failure that the caller is told about from the hub's own trouble.
func isRefusal(err error) bool { return CodeOf(err) != "" }
