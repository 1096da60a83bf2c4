// Package registry is the OCI Distribution Specification 1.1 over the hub, with
// Docker's token authentication.
package registry

import "berth/shared/web"

// Routes are the registry's operations.
func Routes() []web.Route {
	return []web.Route{}
}
