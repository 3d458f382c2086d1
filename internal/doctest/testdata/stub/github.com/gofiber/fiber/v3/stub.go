// Package fiber has the signatures of the real one that the documentation uses.
package fiber

type (
	Ctx     interface{}
	Handler func(Ctx) error
	Config  struct{}
	Router  interface{}
	App     struct{}
)

func New(config ...Config) *App

func (*App) All(path string, handler any, handlers ...any) Router
