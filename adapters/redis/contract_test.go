package redisadapter

import (
	"testing"
	"time"

	"github.com/siogo/sio/socketio/sioadapter"
	"github.com/siogo/sio/socketio/sioadapter/adaptertest"
)

func TestContractPubSub(t *testing.T) {
	contract(t, func(conn Conn, key string) sioadapter.Factory {
		return New(conn, &Options{Key: key, Cluster: impatient})
	})
}

func TestContractPubSubDirect(t *testing.T) {
	contract(t, func(conn Conn, key string) sioadapter.Factory {
		return New(conn, &Options{Key: key, DirectResponses: true, Cluster: impatient})
	})
}

// impatient are nodes that do not wait for long for those that are dead.
var impatient = sioadapter.ClusterOptions{RequestTimeout: time.Second}

// contract runs the contract test on a Redis of its own. Each cluster has
// channels of its own.
func contract(t *testing.T, factory func(conn Conn, key string) sioadapter.Factory) {
	t.Parallel()
	server := startRedis(t)
	adaptertest.Suite{
		Timeout: 30 * time.Second,
		Open: func(t *testing.T, nodes int) *adaptertest.Cluster {
			c := &adaptertest.Cluster{}
			var lines []*line
			for range nodes {
				conn, l := dialThrough(t, server.Addr, &line{})
				lines = append(lines, l)
				c.Factories = append(c.Factories, factory(conn, t.Name()))
			}
			c.Kill = func(node int) { lines[node].cut() }
			return c
		},
	}.Run(t)
}
