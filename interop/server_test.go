package interop

import (
	"os"
	"testing"

	"github.com/siogo/sio/socketio/sioparser"
)

func TestServer(t *testing.T) {
	runMatrix(t, func(t *testing.T) target { return startServer(t, nil) })
}

// TestMsgPack runs the scenarios with clients that use MessagePack: with the
// parser package socket.io-msgpack-parser, with our own, and with the build of
// our client that has it.
func TestMsgPack(t *testing.T) {
	for _, mode := range modes {
		for _, client := range []string{
			"socket.io-client-3+socket.io-msgpack-parser", "socket.io-client-4+socket.io-msgpack-parser",
			"socket.io-client-4+sio-msgpack", "sio-client-4+socket.io-msgpack-parser", "sio-client-4+sio-msgpack",
		} {
			t.Run(client+"/"+mode, func(t *testing.T) {
				t.Parallel()
				runSuite(t, startServer(t, sioparser.MsgPack()), "run.mjs", "socketio", client, mode)
			})
		}
		t.Run("Chromium/sio-client-4/"+mode, func(t *testing.T) {
			t.Parallel()
			runSuite(t, startServer(t, sioparser.MsgPack()), "browser.mjs", "socketio", "sio-client-4", "msgpack-"+mode)
		})
	}
}

// TestListener runs the scenarios with WebSockets that are opened without
// net/http: what real clients send is an ordinary handshake.
func TestListener(t *testing.T) {
	for _, mode := range []string{"websocket", "upgrade"} {
		run := func(script, client string) {
			t.Run(script+"/"+client+"/"+mode, func(t *testing.T) {
				t.Parallel()
				s, err := StartListener(os.DirFS(scripts))
				if err != nil {
					t.Fatal(err)
				}
				runSuite(t, s, script, "socketio", client, mode)
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				// One that a busy machine delays by a second is.
				if n := s.Upgrades(); n > 5 {
					t.Errorf("%d handshakes were left to net/http", n)
				}
			})
		}
		run("run.mjs", "socket.io-client-2")
		run("run.mjs", "socket.io-client-4")
		run("browser.mjs", "sio-client-4")
	}
}

func startServer(t *testing.T, parser sioparser.Parser) *Server {
	t.Helper()
	s, err := Start(os.DirFS(scripts), parser)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
