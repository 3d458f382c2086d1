// Package echo has the signatures of the real one that the documentation uses.
package echo

import "net/http"

type (
	Context        struct{}
	HandlerFunc    func(c *Context) error
	MiddlewareFunc func(next HandlerFunc) HandlerFunc
	RouteInfo      struct{}
	Echo           struct{}
)

func New() *Echo
func WrapHandler(h http.Handler) HandlerFunc

func (*Echo) Any(path string, handler HandlerFunc, middleware ...MiddlewareFunc) RouteInfo
