package interop

import (
	"os"
	"testing"

	"github.com/siogo/sio/socketio/sioparser"
)

func TestServer(t *testing.T) {
	runMatrix(t, func(t *testing.T) target { return startServer(t, nil) })
}

// TestMsgPack runs the scenarios with clients that use the parser package
// socket.io-msgpack-parser.
func TestMsgPack(t *testing.T) {
	for _, client := range []string{"socket.io-client-3", "socket.io-client-4"} {
		for _, mode := range modes {
			t.Run(client+"/"+mode, func(t *testing.T) {
				t.Parallel()
				runSuite(t, startServer(t, sioparser.MsgPack()), "run.mjs", "socketio", client+"+socket.io-msgpack-parser", mode)
			})
		}
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
