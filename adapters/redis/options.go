package redisadapter

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/redis/rueidis"
	"github.com/siogo/sio/socketio/sioadapter"
)

// Conn is a client of Redis: see the package comment.
type Conn = rueidis.Client

// Options configures an adapter. The zero value of every field is its default;
// negative values count as zero.
type Options struct {
	// Key begins the names of all channels. It is the key of the reference's
	// adapter, and the channelPrefix of its sharded one. Empty means
	// "socket.io".
	Key string

	// Sharded makes the adapter use the sharded Pub/Sub of Redis 7, which
	// Redis Cluster does not copy to all its nodes, as the sharded adapter of
	// the reference does.
	Sharded bool
	// Subscription says which rooms have channels of their own. It concerns
	// the sharded adapter only, and must be the same on all nodes.
	Subscription Subscription

	// DirectResponses sends the answers to requests on the channel of the node
	// that asked, rather than on one that all nodes listen to. It is the
	// option publishOnSpecificResponseChannel of the reference, and concerns
	// the adapter that is not sharded, which always is direct.
	DirectResponses bool

	// MaxAge is how long a message waits for Redis while that cannot be
	// reached. Then it is dropped, counted and reported. Zero means 10s.
	MaxAge time.Duration
	// MaxRetryInterval is the longest time between two attempts to reach
	// Redis. Zero means 200ms.
	MaxRetryInterval time.Duration

	// Cluster has the timeouts, the bounds and the functions to be told of
	// events. NodeName, Count and Unnumbered are the adapter's own. With
	// sioadapter.Recoverable as Local, clients that come back to the same node
	// are recovered there.
	Cluster sioadapter.ClusterOptions
}

// Subscription says which rooms have channels of their own in a sharded
// adapter. A node subscribes only to those that its sockets are in.
type Subscription uint8

const (
	Dynamic        Subscription = iota // those that are not the own room of a socket, taken by its name of 20 characters
	Static                             // none
	DynamicPrivate                     // all
)

// String returns the name that the reference has for the mode.
func (s Subscription) String() string {
	switch s {
	case Dynamic:
		return "dynamic"
	case Static:
		return "static"
	case DynamicPrivate:
		return "dynamic-private"
	}
	return fmt.Sprintf("subscription mode %d", uint8(s))
}

func (o *Options) withDefaults() Options {
	var r Options
	if o != nil {
		r = *o
	}
	r.Key = cmp.Or(r.Key, defaultPrefix)
	r.MaxAge = orDefault(r.MaxAge, defaultMaxAge)
	r.MaxRetryInterval = orDefault(r.MaxRetryInterval, defaultRetryInterval)
	return r
}

const (
	defaultPrefix        = "socket.io"
	defaultMaxAge        = 10 * time.Second
	defaultRetryInterval = 200 * time.Millisecond
)

func orDefault[T int | time.Duration](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}

// shortName returns 6 characters of base64, as the reference's first adapter
// names its nodes.
func shortName() string {
	var b [6]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])[:6]
}
