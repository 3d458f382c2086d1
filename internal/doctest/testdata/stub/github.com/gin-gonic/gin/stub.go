// Package gin has the signatures of the real one that the documentation uses.
package gin

import "net/http"

type (
	Context     struct{}
	HandlerFunc func(*Context)
	Engine      struct{}
	OptionFunc  func(*Engine)
	IRoutes     interface{}
)

func New(opts ...OptionFunc) *Engine
func WrapH(h http.Handler) HandlerFunc

func (*Engine) Any(relativePath string, handlers ...HandlerFunc) IRoutes
