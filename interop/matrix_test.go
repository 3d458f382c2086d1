package interop

import (
	"testing"
	"time"
)

var (
	// sio-client-4 is our own client for JavaScript (browser); its generation is 4, too.
	socketClients = []string{"socket.io-client-2", "socket.io-client-3", "socket.io-client-4", "sio-client-4"}
	engineClients = []string{"engine.io-client-3", "engine.io-client-6"}
	modes         = []string{"polling", "websocket", "upgrade"}
)

// runMatrix runs each client over each mode, in Node and in Chromium, against
// a server of its own.
func runMatrix(t *testing.T, start func(*testing.T) target) {
	run := func(name, script, suite, client, mode string) {
		t.Run(name+"/"+client+"/"+mode, func(t *testing.T) {
			t.Parallel()
			runSuite(t, start(t), script, suite, client, mode)
		})
	}
	for _, mode := range modes {
		for _, client := range socketClients {
			run("Node", "run.mjs", "socketio", client, mode)
		}
		for _, client := range engineClients {
			run("Node", "run.mjs", "engineio", client, mode)
		}
		run("Chromium", "browser.mjs", "socketio", "socket.io-client-4", mode)
		run("Chromium", "browser.mjs", "socketio", "sio-client-4", mode)
		run("Chromium", "browser.mjs", "socketio", "sio-client-4", "worker-"+mode)
		run("Chromium", "browser.mjs", "socketio", "sio-client-4", "fetch-"+mode)
	}
	// 1,000 numbered messages each way through each of 100 upgrades, on loopback
	// and over a distance.
	for _, flood := range []struct{ suite, client string }{
		{"engineio-flood", "engine.io-client-6"},
		{"socketio-flood", "socket.io-client-4"},
		{"socketio-flood", "sio-client-4"},
	} {
		suite, client := flood.suite, flood.client
		run("Flood", "run.mjs", suite, client, "upgrade")
		t.Run("DistantFlood/"+client, func(t *testing.T) {
			t.Parallel()
			runSuite(t, far(t, start(t), 5*time.Millisecond), "run.mjs", suite, client, "upgrade")
		})
	}
}
