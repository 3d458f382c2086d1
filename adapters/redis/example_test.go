package redisadapter_test

import (
	"time"

	"github.com/redis/rueidis"
	redisadapter "github.com/siogo/sio/adapters/redis"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioadapter"
)

// A client of Redis, for all that follows.
func Example_connection() {
	conn, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{"127.0.0.1:6379"}, // several: Redis Cluster
		// Sentinel:  rueidis.SentinelOption{MasterSet: "main"}, and InitAddress are those of Sentinel
		// TLSConfig: &tls.Config{}
	})
	if err != nil {
		return // Redis has to be there at the beginning, later it may go and come
	}
	defer conn.Close()
}

// The adapter is an option of the server: socketio.Options{Adapter: …}.
func ExampleNew() {
	var conn redisadapter.Conn
	_ = redisadapter.New(conn, &redisadapter.Options{
		Sharded: true, // as the sharded adapter of @socket.io/redis-adapter
		Cluster: sioadapter.ClusterOptions{
			RequestTimeout: 2 * time.Second,
			OnEvent:        func(e sioadapter.ClusterEvent) { /* count e.Kind */ },
		},
	})
}

func ExampleNewStreams() {
	var conn redisadapter.Conn
	_ = redisadapter.NewStreams(conn, &redisadapter.StreamsOptions{
		MaxLen:   100_000, // entries, and with them how far back clients are recovered
		Recovery: sioadapter.RecoveryOptions{MaxDisconnection: time.Minute},
	})
}

type Message struct{ Room, Text string }

var Chat = event.New[Message]("chat")

// Emitting from a process that is no server.
func ExampleNewEmitter() {
	var conn redisadapter.Conn
	em := redisadapter.NewEmitter(conn, nil)
	notify := func(room string) error {
		return Chat.Emit(em.To(room), Message{Room: room, Text: "build finished"})
	}
	_ = notify
}
