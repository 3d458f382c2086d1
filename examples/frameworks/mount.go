package main

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"
	"github.com/labstack/echo/v5"
)

// frameworks mount a Socket.IO server, which is an http.Handler, at
// /socket.io/.
var frameworks = map[string]func(io http.Handler) server{
	"net/http": mountNetHTTP,
	"chi":      mountChi,
	"gin":      mountGin,
	"echo":     mountEcho,
	"fiber":    mountFiber,
}

// A server is what a framework makes of it.
type server interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
}

func mountNetHTTP(io http.Handler) server {
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	return serve(mux)
}

// Middleware that buffers answers or limits their time (middleware.Timeout,
// http.TimeoutHandler) does not go with long-polling and upgrades: such a one
// belongs around the other routes.
func mountChi(io http.Handler) server {
	r := chi.NewRouter()
	r.Use(middleware.Logger, middleware.Compress(5), middleware.Recoverer)
	r.Handle("/socket.io/*", io)
	return serve(r)
}

func mountGin(io http.Handler) server {
	g := gin.New()
	g.Use(gin.Logger(), gin.Recovery())
	g.Any("/socket.io/*any", gin.WrapH(io))
	return serve(g)
}

func mountEcho(io http.Handler) server {
	e := echo.New()
	e.Any("/socket.io/*", echo.WrapHandler(io))
	return serve(e)
}

// Fiber is built on fasthttp; its adaptor makes requests of net/http. This
// takes version 3: in version 2, handlers behind the adaptor cannot take over
// the connection, which leaves polling.
func mountFiber(io http.Handler) server {
	f := fiber.New()
	f.All("/socket.io/*", adaptor.HTTPHandler(io))
	return fiberServer{f}
}

func serve(h http.Handler) server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
}

type fiberServer struct{ app *fiber.App }

func (s fiberServer) Serve(l net.Listener) error {
	return s.app.Listener(l, fiber.ListenConfig{DisableStartupMessage: true})
}

func (s fiberServer) Shutdown(ctx context.Context) error { return s.app.ShutdownWithContext(ctx) }
