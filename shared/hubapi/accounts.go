package hubapi

import "berth/shared/web"

func accountRoutes() []web.Route {
	return []web.Route{}
}
