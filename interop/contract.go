// Package interop tests the server against JavaScript clients of every
// generation, in Node and in a browser.
//
// README.md is the contract between the scenarios and the server under test;
// this package is that contract on our server.
package interop

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"time"

	"github.com/siogo/sio/engineio"
)

// A Server keeps the contract.
type Server struct {
	files    fs.FS
	listener net.Listener
	engine   *engineio.Server
}

// Start starts a server on 127.0.0.1. files is served under "/".
func Start(files fs.FS) (*Server, error) {
	s := &Server{files: files}
	return s, s.start("127.0.0.1:0")
}

// URL is where the server listens, without a trailing slash.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Restart shuts the server down, starts it anew on the same port and returns
// for which reasons the Socket.IO sockets ended until then, by id.
func (s *Server) Restart() (reasons map[string]string, err error) {
	addr := s.listener.Addr().String()
	if err := s.Close(); err != nil {
		return nil, err
	}
	return map[string]string{}, s.start(addr)
}

// Close shuts the server down. Clients are told; what they do not take within
// two seconds is cut off.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err := s.engine.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return errors.Join(err, s.listener.Close())
}

func (s *Server) start(addr string) (err error) {
	if s.engine, err = newEngine(); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/engine.io/", s.engine)
	mux.Handle("/", http.FileServerFS(s.files))
	if s.listener, err = net.Listen("tcp", addr); err != nil {
		return err
	}
	// Started by Start and Restart; ends when Close closes the listener. Nobody waits for it: it holds nothing.
	go http.Serve(s.listener, mux)
	return nil
}
