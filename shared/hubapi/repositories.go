package hubapi

import "berth/shared/web"

func repositoryRoutes() []web.Route {
	return []web.Route{}
}
