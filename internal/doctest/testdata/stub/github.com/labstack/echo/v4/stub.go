// Package echo has the signatures of the real one that the documentation uses.
package echo

import "net/http"

type (
	Context        interface{}
	HandlerFunc    func(Context) error
	MiddlewareFunc func(HandlerFunc) HandlerFunc
	Route          struct{}
	Echo           struct{}
)

func New() *Echo
func WrapHandler(h http.Handler) HandlerFunc

func (*Echo) Any(path string, handler HandlerFunc, middleware ...MiddlewareFunc) []*Route
