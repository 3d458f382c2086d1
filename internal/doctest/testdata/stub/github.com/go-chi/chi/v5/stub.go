// Package chi has the signatures of the real one that the documentation uses.
package chi

import "net/http"

type Mux struct{}

func NewRouter() *Mux

func (*Mux) Handle(pattern string, handler http.Handler)
func (*Mux) Use(middlewares ...func(http.Handler) http.Handler)
