package redisadapter

import (
	"strings"
	"testing"
	"time"

	"github.com/siogo/sio/socketio/sioadapter"
	"github.com/siogo/sio/socketio/sioadapter/adaptertest"
)

func TestContractPubSub(t *testing.T) {
	contract(t, nil, func(conn Conn, key string) sioadapter.Factory {
		return New(conn, &Options{Key: key, Cluster: impatient})
	})
}

func TestContractPubSubDirect(t *testing.T) {
	contract(t, []int{3}, func(conn Conn, key string) sioadapter.Factory {
		return New(conn, &Options{Key: key, DirectResponses: true, Cluster: impatient})
	})
}

func TestContractSharded(t *testing.T) {
	for _, mode := range []Subscription{Dynamic, Static, DynamicPrivate} {
		t.Run(mode.String(), func(t *testing.T) {
			contract(t, []int{3}, func(conn Conn, key string) sioadapter.Factory {
				return New(conn, &Options{Key: key, Sharded: true, Subscription: mode, Cluster: impatient})
			})
		})
	}
}

// settle waits until a subscriber has made all changes.
func settle(t *testing.T, s subscriptions) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Microsecond) {
		if settled(s) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the subscriptions are not made")
		}
	}
}

func settled(s subscriptions) bool {
	switch s := s.(type) {
	case *subscriber:
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.changed) == 0 && !s.busy
	case *clusterSubscriber:
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, t := range s.topics {
			if !t.confirmed {
				return false
			}
		}
		return true
	}
	panic("another kind of subscriptions")
}

func TestContractStreams(t *testing.T) {
	for name, wait := range map[string]time.Duration{"local first": 0, "in the order of the stream": time.Second} {
		t.Run(name, func(t *testing.T) {
			contract(t, []int{1, 3}, func(conn Conn, key string) sioadapter.Factory {
				return NewStreams(conn, &StreamsOptions{Stream: key, Key: key, SessionKey: key, WaitForOffset: wait, Cluster: impatient})
			})
		})
	}
}

// Redis Cluster has a third of the channels on each of its nodes, and copies
// what is published otherwise to all of them.
func TestContractOnRedisCluster(t *testing.T) {
	t.Parallel()
	addr := startRedisCluster(t, 3)
	t.Run("pubsub", func(t *testing.T) {
		contractOn(t, addr, []int{3}, func(conn Conn, key string) sioadapter.Factory {
			return New(conn, &Options{Key: key, Cluster: impatient})
		})
	})
	t.Run("sharded", func(t *testing.T) {
		contractOn(t, addr, []int{3}, func(conn Conn, key string) sioadapter.Factory {
			return New(conn, &Options{Key: key, Sharded: true, Subscription: Static, Cluster: impatient})
		})
	})
	t.Run("streams", func(t *testing.T) {
		contractOn(t, addr, []int{3}, func(conn Conn, key string) sioadapter.Factory {
			return NewStreams(conn, &StreamsOptions{Stream: key, Key: key, SessionKey: key, Cluster: impatient})
		})
	})
}

// impatient are nodes that do not wait for long for those that are dead, and
// long enough for those that a busy machine lets wait.
var impatient = sioadapter.ClusterOptions{RequestTimeout: 3 * time.Second}

// contract runs the contract test on a Redis of its own. Each cluster has
// channels of its own.
func contract(t *testing.T, sizes []int, factory func(conn Conn, key string) sioadapter.Factory) {
	t.Parallel()
	contractOn(t, startRedis(t).Addr, sizes, factory)
}

func contractOn(t *testing.T, addr string, sizes []int, factory func(conn Conn, key string) sioadapter.Factory) {
	adaptertest.Suite{
		Timeout:          30 * time.Second,
		Sizes:            sizes,
		RecoversAnywhere: true, // where they recover at all
		AsksOvertake:     strings.Contains(strings.ToLower(t.Name()), "streams"),
		Open: func(t *testing.T, nodes int) *adaptertest.Cluster {
			c := &adaptertest.Cluster{}
			var lines []*line
			for range nodes {
				conn, l := dialThrough(t, addr, &line{})
				lines = append(lines, l)
				c.Factories = append(c.Factories, factory(conn, t.Name()))
			}
			c.Kill = func(node int) { lines[node].cut() }
			c.Settle = func() {
				for i, f := range c.Factories {
					if f, ok := f.(*shardedFactory); ok && !lines[i].cutNow() {
						settle(t, f.subscriptions)
					}
				}
			}
			return c
		},
	}.Run(t)
}
