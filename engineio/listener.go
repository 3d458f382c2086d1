package engineio

import (
	"bufio"
	"net"
	"net/http"
	"time"

	"github.com/siogo/sio/internal/intercept"
)

// Listener returns a listener in front of ln that makes handshakes over
// WebSocket cheaper. It is for the HTTP server that this one is mounted in:
//
//	ln, err := net.Listen("tcp", ":3000")
//	…
//	err = http.Serve(srv.Listener(ln), mux)
//
// A connection that begins with an ordinary WebSocket request for
// [Server.Path] is answered by ServeHTTP right away, without the HTTP server.
// That includes CORS, [Options.Middleware], AllowRequest, hooks, limits and
// refusals, and no other request follows on that connection. All other
// connections are returned by Accept as they came. So are those whose first
// request is unusual in any way (it comes in pieces, is longer than 4 KiB, is
// malformed, has a body, …), and those that send nothing within a second.
//
// What the application has put around this server does not see the requests that
// are answered here: the mux, middleware of [http.Server.Handler], BaseContext,
// ConnContext, ConnState, limits and timeouts. Do not use a Listener where the
// decision who may connect is made there: make it in [Options.Middleware] or
// AllowRequest. A prefix that [http.StripPrefix] cuts off is not cut off here, so
// that such requests go to the HTTP server. The context of a request has
// [http.LocalAddrContextKey], but no [http.ServerContextKey], since there is no
// such server, and ends when the request is answered, not when the client is
// gone before. A panic goes to the standard logger, as from an [http.Server]
// without ErrorLog.
//
// Only connections of type [*net.TCPConn] are looked at, so a Listener in front of
// [tls.NewListener] changes nothing. Do not put TLS in front of a Listener, as
// [http.ServeTLS] and [http.Server.ServeTLS] do: encrypted connections are served
// as ever, but a handshake that is not encrypted would be answered, too, and nobody
// would have asked for a certificate.
//
// Accept returns the errors of ln. Close, which [http.Server.Shutdown] calls,
// closes ln and the connections that nobody has begun to serve. It leaves the
// sessions alone: they end with [Server.Shutdown] or [Server.Close], and
// handshakes that come after that are refused with 503, here as elsewhere.
func (srv *Server) Listener(ln net.Listener) net.Listener {
	return srv.listener(ln, 0)
}

func (srv *Server) listener(ln net.Listener, patience time.Duration) net.Listener {
	return intercept.Listen(ln, intercept.Config{Path: srv.cfg.Path, Prefix: srv.cfg.PathPrefix, Handler: srv, Patience: patience})
}

// take is the Hijack of any ResponseWriter that has it, or that one with it is
// wrapped in. It returns what was read of the connection beyond the request.
// Connections that a Listener has looked at are returned as they were before.
func take(w http.ResponseWriter) (nc net.Conn, early []byte, err error) {
	if w := unwrapResponse(w); w != nil {
		nc, early, err := w.Take()
		if err != nil {
			return nil, nil, err // and no *net.TCPConn that is nil
		}
		return nc, early, nil
	}
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	nc.SetDeadline(time.Time{}) // the HTTP server's deadlines were for the request
	early = buffered(rw.Reader)
	if c, ok := nc.(*intercept.Conn); ok {
		tcp, head := c.Unwrap()
		nc, early = tcp, append(early, head...)
	}
	return nc, early, nil
}

// unwrapResponse returns the writer of a request that a Listener answers, unless
// something around it has a Hijack of its own.
func unwrapResponse(w http.ResponseWriter) *intercept.Response {
	for {
		switch v := w.(type) {
		case *intercept.Response:
			return v
		case http.Hijacker:
			return nil
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return nil
		}
	}
}

func buffered(r *bufio.Reader) []byte {
	n := r.Buffered()
	if n == 0 {
		return nil
	}
	b, _ := r.Peek(n) // cannot fail: the bytes are there
	return append([]byte(nil), b...)
}
