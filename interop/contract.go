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
	"sync/atomic"
	"time"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/sioparser"
)

// A Server keeps the contract.
type Server struct {
	files    fs.FS
	listener net.Listener
	http     *http.Server
	engine   *engineio.Server
	io       *socketio.Server
	reasons  *reasons
	parser   sioparser.Parser // nil: JSON

	intercepting bool         // handshakes go through the Listener of io
	upgrades     atomic.Int64 // requests for a WebSocket that reached net/http
}

// Start starts a server on 127.0.0.1. files is served under "/". parser nil
// means JSON.
func Start(files fs.FS, parser sioparser.Parser) (*Server, error) {
	s := &Server{files: files, parser: parser}
	return s, s.start("127.0.0.1:0")
}

// StartListener starts a server whose WebSocket handshakes are answered by
// [socketio.Server.Listener].
func StartListener(files fs.FS) (*Server, error) {
	s := &Server{files: files, intercepting: true}
	return s, s.start("127.0.0.1:0")
}

// Upgrades returns how many requests for a WebSocket have reached net/http.
func (s *Server) Upgrades() int { return int(s.upgrades.Load()) }

// URL is where the server listens, without a trailing slash.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Restart shuts the server down, starts it anew on the same port and returns
// for which reasons the Socket.IO sockets ended until then, by id. Clients are
// told; what they do not take within two seconds is cut off.
func (s *Server) Restart() (reasons map[string]string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	for _, layer := range []interface{ Shutdown(context.Context) error }{s.io, s.engine} {
		if err := layer.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return nil, err
		}
	}
	addr, reasons := s.listener.Addr().String(), s.reasons.all()
	if err := s.http.Close(); err != nil {
		return nil, err
	}
	return reasons, s.start(addr)
}

// Close ends everything at once.
func (s *Server) Close() error {
	return errors.Join(s.io.Close(), s.engine.Close(), s.http.Close())
}

func (s *Server) start(addr string) (err error) {
	if s.engine, err = newEngine(); err != nil {
		return err
	}
	s.reasons = newReasons()
	s.io = newSocketIO(s.reasons, s.parser)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", s.io)
	mux.Handle("/engine.io/", s.engine)
	mux.Handle("/", http.FileServerFS(s.files))
	if s.listener, err = net.Listen("tcp", addr); err != nil {
		return err
	}
	ln := s.listener
	if s.intercepting {
		ln = s.io.Listener(ln)
	}
	s.http = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			s.upgrades.Add(1)
		}
		mux.ServeHTTP(w, r)
	})}
	// Started by Start and Restart; ends when Restart or Close closes s.http. Nobody waits for it: it holds nothing.
	go s.http.Serve(ln)
	return nil
}
