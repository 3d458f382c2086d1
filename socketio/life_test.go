package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/siotest"
)

func TestFault_L02_NeverConnects(t *testing.T) {
	for _, tt := range []struct {
		name  string
		setup func(io *socketio.Server)
		after func(w *wire)
	}{
		{"silence", func(*socketio.Server) {}, func(*wire) {}},
		{"refused at first", func(io *socketio.Server) {
			io.Use(func(context.Context, *socketio.Socket) error { return errors.New("no") })
		}, func(w *wire) { w.send("40"); w.expect("44*") }},
		{"middleware that never decides", func(io *socketio.Server) {
			io.Use(func(ctx context.Context, _ *socketio.Socket) error { <-ctx.Done(); return nil })
		}, func(w *wire) { w.send("40") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, &socketio.Options{PingInterval: time.Hour}, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
				tt.setup(io)
				w := dialWire(t, n, "4")
				tt.after(w)
				pass(45*time.Second - time.Millisecond)
				w.nothing()
				pass(2 * time.Millisecond)
				synctest.Wait()
				for f := range w.frames {
					if !strings.HasPrefix(f, "44") {
						t.Errorf("got %s", f)
					}
				}
			})
		})
	}
	t.Run("connected in time", func(t *testing.T) {
		bubble(t, &socketio.Options{PingInterval: time.Hour}, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
			w := dialWire(t, n, "4")
			pass(44 * time.Second)
			w.join("/")
			pass(time.Minute)
			w.nothing()
		})
	})
}

// An event before CONNECT, a second CONNECT and a CONNECT_ERROR close the
// connection, with the reason that says so.
func TestFault_L03_Violations(t *testing.T) {
	for _, frame := range []string{`42["x"]`, "40", `44{"message":"x"}`, `42/other,["x"]`, "43[1]", "4", "4x", "45-", "b:\x00"} {
		t.Run(frame, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
				reasons := make(chan socketio.Reason, 1)
				io.OnDisconnect(func(_ context.Context, _ *socketio.Socket, r socketio.Reason) { reasons <- r })
				w := dialWire(t, n, "4")
				if frame != `42["x"]` {
					w.join("/")
				}
				w.send(frame)
				w.closed()
				if frame == `42["x"]` {
					return
				}
				if reason, want := take(t, reasons), socketio.ReasonParseError; reason != want {
					t.Errorf("reason %q, want %q", reason, want)
				}
			})
		})
	}
}

func TestFault_L04_ThreeConnects(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		sockets, after := 0, 0
		io.Use(func(context.Context, *socketio.Socket) error {
			sockets++
			time.Sleep(time.Second)
			after++
			return nil
		})
		connects := 0
		io.OnConnect(func(context.Context, *socketio.Socket) error { connects++; return nil })
		w := dialWire(t, n, "4")
		w.send("40", "40", "40")
		w.closed()
		pass(time.Minute)
		if sockets != 1 || connects != 0 || len(slices.Collect(io.LocalSockets())) != 0 {
			t.Errorf("middleware ran for %d sockets, %d connected, want 1 and 0", sockets, connects)
		}
	})
}

func TestFault_L05_LeavesWhileMiddlewareRuns(t *testing.T) {
	bubble(t, &socketio.Options{CleanupNamespaces: true}, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		var cause error
		parent := io.Of("/{x}")
		parent.Use(func(ctx context.Context, s *socketio.Socket) error {
			s.Join("room")
			<-ctx.Done()
			cause = context.Cause(ctx)
			return nil
		})
		parent.OnConnect(func(context.Context, *socketio.Socket) error { t.Error("connected"); return nil })
		parent.OnDisconnect(func(context.Context, *socketio.Socket, socketio.Reason) { t.Error("disconnected") })
		w := dialWire(t, n, "4")
		w.send("40/a,")
		synctest.Wait()
		if len(io.Namespaces()) != 2 {
			t.Error("the namespace was not made")
		}
		w.conn.Abort()
		pass(time.Second)
		if !errors.Is(cause, socketio.ErrDisconnected) {
			t.Errorf("the middleware's context ended with %v", cause)
		}
		if len(io.Namespaces()) != 1 {
			t.Error("the namespace is still there")
		}
	})
}

// The life of a socket, and the reason that each kind of end has.
func TestLifecycle(t *testing.T) {
	for _, tt := range []struct {
		name   string
		end    func(io *socketio.Server, s *socketio.Socket, w *wire)
		reason socketio.Reason
	}{
		{"client leaves", func(_ *socketio.Server, _ *socketio.Socket, w *wire) { w.send("41") }, "client namespace disconnect"},
		{"client closes", func(_ *socketio.Server, _ *socketio.Socket, w *wire) { w.conn.Close(context.Background()) }, "transport close"},
		{"client is lost", func(_ *socketio.Server, _ *socketio.Socket, w *wire) { w.conn.Abort() }, "transport close"},
		{"client closes the session", func(_ *socketio.Server, _ *socketio.Socket, w *wire) { w.send("1") }, "transport close"},
		{"client is silent", func(_ *socketio.Server, _ *socketio.Socket, w *wire) { time.Sleep(time.Minute) }, "ping timeout"},
		{"client sends nonsense", func(_ *socketio.Server, _ *socketio.Socket, w *wire) { w.send("4?") }, "parse error"},
		{"server disconnects", func(_ *socketio.Server, s *socketio.Socket, _ *wire) { s.Disconnect() }, "server namespace disconnect"},
		{"server hangs up", func(_ *socketio.Server, s *socketio.Socket, _ *wire) { s.Hangup() }, "server namespace disconnect"},
		{"server disconnects a room", func(io *socketio.Server, _ *socketio.Socket, _ *wire) { io.To("room").Disconnect() }, "server namespace disconnect"},
		{"server closes", func(io *socketio.Server, _ *socketio.Socket, _ *wire) { io.Close() }, "server shutting down"},
		{"server shuts down", func(io *socketio.Server, _ *socketio.Socket, _ *wire) { io.Shutdown(context.Background()) }, "server shutting down"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
				var log []string
				var socket *socketio.Socket
				var ctx context.Context
				io.Use(func(_ context.Context, s *socketio.Socket) error {
					log = append(log, "use")
					return s.Join("room")
				})
				io.OnConnect(func(c context.Context, s *socketio.Socket) error {
					log = append(log, "connect")
					socket, ctx = s, c
					if !s.Connected() || io.Socket(s.ID()) != s {
						t.Error("not connected in OnConnect")
					}
					return nil
				})
				io.On("hello", func(context.Context, *socketio.Event) error {
					log = append(log, "event")
					return nil
				})
				io.OnDisconnect(func(after context.Context, s *socketio.Socket, r socketio.Reason) {
					log = append(log, "disconnect: "+string(r))
					if want := []string{s.ID(), "room"}; !slices.Equal(s.Rooms(), want) {
						t.Errorf("rooms in OnDisconnect: %v, want %v", s.Rooms(), want)
					}
					if s.Connected() || (after.Err() != nil) != (tt.name == "server closes") {
						t.Errorf("connected %v, context %v", s.Connected(), after.Err())
					}
				})
				w := dialWire(t, n, "4").join("/")
				w.send(`42["hello"]`)
				synctest.Wait()
				tt.end(io, socket, w)
				synctest.Wait()
				want := []string{"use", "connect", "event", "disconnect: " + string(tt.reason)}
				if !slices.Equal(log, want) {
					t.Errorf("got %q, want %q", log, want)
				}
				var gone *socketio.DisconnectError
				if cause := context.Cause(ctx); !errors.As(cause, &gone) || gone.Reason != tt.reason ||
					!errors.Is(cause, socketio.ErrDisconnected) || !errors.Is(cause, net.ErrClosed) {
					t.Errorf("the context ended with %v", cause)
				}
				if err := socket.Emit("x"); !errors.Is(err, socketio.ErrDisconnected) {
					t.Errorf("Emit afterwards: %v", err)
				}
				if err := socket.Join("x"); !errors.Is(err, socketio.ErrDisconnected) {
					t.Errorf("Join afterwards: %v", err)
				}
				if rooms := socket.Rooms(); len(rooms) != 0 || len(slices.Collect(io.LocalSockets())) != 0 {
					t.Errorf("rooms afterwards: %v", rooms)
				}
				if _, err := socket.Call(t.Context(), "x"); !errors.Is(err, socketio.ErrDisconnected) {
					t.Errorf("Call afterwards: %v", err)
				}
				socket.Disconnect()
				socket.Hangup()
			})
		})
	}
}

// Events that have arrived are handled when the client leaves, and dropped when
// the server has had enough of it. OnDisconnect comes last in both cases.
func TestEventsThatWaitAtTheEnd(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(s *socketio.Socket, w *wire)
		want string
	}{
		{"client leaves", func(_ *socketio.Socket, w *wire) { w.send("41") }, "[1 2 3 end]"},
		{"client is lost", func(_ *socketio.Socket, w *wire) { w.conn.Abort() }, "[1 2 3 end]"},
		{"server disconnects", func(s *socketio.Socket, _ *wire) { s.Disconnect() }, "[1 end]"},
		{"violation", func(_ *socketio.Socket, w *wire) { w.send("4?") }, "[1 end]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
				var socket *socketio.Socket
				var log []any
				io.On("n", func(_ context.Context, e *socketio.Event) error {
					socket = e.Socket()
					time.Sleep(time.Second)
					var i any
					e.Decode(&i)
					log = append(log, i)
					return nil
				})
				io.OnDisconnect(func(context.Context, *socketio.Socket, socketio.Reason) { log = append(log, "end") })
				w := dialWire(t, n, "4").join("/")
				w.send(`42["n",1]`, `42["n",2]`, `42["n",3]`)
				synctest.Wait()
				tt.end(socket, w)
				pass(time.Minute)
				if got := fmt.Sprint(log); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
			})
		})
	}
}

func TestDisconnectOneNamespace(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		io.Of("/a").On("bye", func(_ context.Context, e *socketio.Event) error { e.Socket().Disconnect(); return nil })
		io.On("ask", reply(1))
		w := dialWire(t, n, "4").join("/", "/a")
		w.play(`>42/a,["bye"]`, "<41/a,",
			`>42/a,["bye"]`, ">43/a,1[]", ">41/a,", // they may have been on their way
			`>421["ask"]`, "<431[1]",
			">40/a,", "<40/a,*", "-")
	})
}

func TestFault_N01_NamespacesOfOneConnection(t *testing.T) {
	bubble(t, &socketio.Options{MaxNamespaces: 3}, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		io.OfFunc(func(string, socketioArgs) bool { return true })
		w := dialWire(t, n, "4").join("/a", "/b", "/c")
		w.play(">40/d,", `<44/d,{"message":"Too many namespaces"}`, ">41/b,", ">40/d,", "<40/d,*", "-")
	})
}

// 200 clients ask at once for a namespace that takes its time to be admitted.
func TestFault_N02_S22_NamespaceIsMadeOnce(t *testing.T) {
	bubble(t, &socketio.Options{CleanupNamespaces: true}, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		io.OfFunc(func(name string, _ socketioArgs) bool { time.Sleep(time.Second); return name == "/game" })
		var wg sync.WaitGroup
		clients := make([]*siotest.Client, 200)
		for i := range clients {
			wg.Go(func() { clients[i] = n.Dial(t, "/game", nil) })
		}
		wg.Wait()
		if got := len(slices.Collect(io.Of("/game").LocalSockets())); got != 200 || len(io.Namespaces()) != 2 {
			t.Errorf("%d sockets in %d namespaces, want 200 in 2", got, len(io.Namespaces()))
		}
		for _, c := range clients {
			wg.Go(func() { c.Leave() })
		}
		wg.Wait()
		synctest.Wait()
		if len(io.Namespaces()) != 1 {
			t.Error("the empty namespace is still there")
		}
		if _, err := n.Connect(t.Context(), t, "/other", nil); err == nil || err.Error() != "Invalid namespace" {
			t.Errorf("got %v", err)
		}
		n.Dial(t, "/game", nil)
	})
}

// Joins and leaves race with the end of the namespace.
func TestFault_N02_CleanupRace(t *testing.T) {
	bubble(t, &socketio.Options{CleanupNamespaces: true}, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		io.Of("/game/{id}").On("ask", reply(1))
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for range 10 {
					c, err := n.Connect(t.Context(), t, "/game/1", nil)
					if err != nil {
						t.Error(err)
						return
					}
					if _, err := c.Call(t.Context(), "ask"); err != nil {
						t.Error(err)
					}
					c.Close()
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		if len(io.Namespaces()) != 1 {
			t.Error("the empty namespace is still there")
		}
	})
}

func TestFault_P08_AttachmentsThatDoNotCome(t *testing.T) {
	bubble(t, &socketio.Options{PingInterval: time.Hour, PingTimeout: 10 * time.Second}, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		w := dialWire(t, n, "4").join("/")
		two := `452-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`
		w.send(two, "b:1", "b:2")
		pass(time.Minute)
		w.nothing()
		w.send(two, "b:1")
		pass(10*time.Second - time.Millisecond)
		w.nothing()
		pass(2 * time.Millisecond)
		w.closed()
	})
}

func TestSec_S34_AttachmentsBeforeConnect(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		w := dialWire(t, n, "4")
		w.play(`>451-["x",{"_placeholder":true,"num":0}]`, "x")
		w = dialWire(t, n, "4").join("/")
		w.play(`>451-/other,["x",{"_placeholder":true,"num":0}]`, "x")
	})
}

func TestFault_P14_LongNames(t *testing.T) {
	for _, frame := range []string{"40/" + strings.Repeat("n", 900_000), `42["` + strings.Repeat("e", 900_000) + `"]`} {
		bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
			w := dialWire(t, n, "4").join("/")
			w.play(">"+frame, "x")
		})
	}
}

// Names that mean something in the libraries of the family are inert.
func TestSec_S11_ReservedNames(t *testing.T) {
	for _, name := range []string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"} {
		bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
			io.OnAny(func(_ context.Context, e *socketio.Event) error { t.Errorf("got %s", e.Name); return nil })
			dialWire(t, n, "4").join("/").play(`>42["`+name+`"]`, "x")
			if err := io.Emit(name); err == nil || err.Error() != `socketio: "`+name+`" is a reserved event name` {
				t.Errorf("Emit(%q): %v", name, err)
			}
		})
	}
	for _, name := range []string{"error", "connection", "end", "upgrade", "__proto__", "message", "toString"} {
		bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
			names := make(chan string, 1)
			io.OnAny(func(_ context.Context, e *socketio.Event) error { names <- e.Name; return nil })
			dialWire(t, n, "4").join("/").play(`>42["`+name+`"]`, "-")
			if got := take(t, names); got != name {
				t.Errorf("got %q, want %q", got, name)
			}
		})
	}
}

// The verdict about a name depends on the name, not on who asked before.
func TestSec_S21_SameNameSameVerdict(t *testing.T) {
	bubble(t, nil, func(t *testing.T, io *socketio.Server, n *siotest.Network) {
		io.Of("/game/{id}")
		for i := range 500 {
			if _, err := n.Connect(t.Context(), t, "/game/1", nil); err != nil {
				t.Fatalf("join %d of a namespace that matches: %v", i, err)
			}
			if _, err := n.Connect(t.Context(), t, "/game/1/2", nil); err == nil {
				t.Fatalf("join %d of a namespace that does not match was admitted", i)
			}
		}
	})
}
