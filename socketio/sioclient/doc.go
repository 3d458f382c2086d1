// Package sioclient is a Socket.IO client: it keeps namespaces of a server
// joined, over one connection, and comes back by itself when that is lost.
//
// Words used here:
//
//   - A [Socket] is one namespace of one server, as the application sees it: it
//     lasts from [New] or [Socket.Of] to [Socket.Close], over any number of
//     connections. The server makes a socket of its own for each of them, unless
//     it recovers the one that was lost.
//   - A connection is an Engine.IO session (package eioclient). The sockets that
//     come from one another by Of share it; the application does not see it.
//   - An attempt is one try to connect: the handshake, and for each socket the
//     request to join its namespace. Between attempts that failed lies a delay,
//     the [Backoff].
//   - A state is what a socket is doing: [Connecting], [Connected],
//     [Disconnected] or [Closed]. [Socket.States] tells of every change.
//
// Handlers come first, then the connection, so that nothing is missed that
// arrives early:
//
//	c, err := sioclient.New("https://example.org/chat", nil) // the path is the namespace
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	event.On(c, api.Chat, func(ctx context.Context, _ *sioclient.Socket, m api.Message) error {
//		log.Print(m.Text)
//		return nil
//	})
//	if err := c.Connect(ctx); err != nil {
//		return err
//	}
//	err = api.Chat.Emit(c, api.Message{Text: "hi"})
//
// # Delivery
//
// Events arrive in the order they were emitted, each at most once. What is
// emitted without a connection is an error, unless [Options.Offline] keeps it.
// With [Options.Retry] events arrive at least once, or are reported as failed.
// A server that recovers connections sends what was missed ([Socket.Recovered]).
//
// # Handlers
//
// Handlers of one socket run one at a time, in the order of their events. One
// that waits in Call gives its turn away meanwhile; [Detach], event.Concurrent
// and event.Ordered change that. A socket has no goroutine while there is
// nothing to do; its connection has those of package eioclient and one more.
//
// Nothing that a server sends makes the package panic, or keep more than
// [Options] allow. When [Socket.Close] has returned, no handler runs any more.
//
// The package runs natively and, as WebAssembly, in a browser (GOOS=js), where
// it uses the browser's fetch and WebSocket and does not link net/http.
//
// Specification: Socket.IO protocol, revision 5, and for servers of the
// generation 2.x ([Options.V2]) revision 4.
package sioclient
