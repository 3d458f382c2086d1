package redisadapter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/redis/rueidis"
	"github.com/siogo/sio/socketio/sioadapter"
)

// request is a command that publishes a message.
type request struct {
	verb    verb
	to      string // channel or stream
	payload string
	fields  []string // of the entry: names and values
	maxLen  string   // of the stream, about
}

type verb uint8

const (
	nothing  verb = iota
	publish       // PUBLISH
	spublish      // SPUBLISH
	xadd          // XADD
)

func (r *request) command(b rueidis.Builder) rueidis.Completed {
	switch r.verb {
	case publish:
		return b.Publish().Channel(r.to).Message(r.payload).Build()
	case spublish:
		return b.Spublish().Channel(r.to).Message(r.payload).Build()
	}
	c := b.Xadd().Key(r.to).Maxlen().Almost().Threshold(r.maxLen).Id("*").FieldValue()
	for i := 0; i < len(r.fields); i += 2 {
		c = c.FieldValue(r.fields[i], r.fields[i+1])
	}
	return c.Build()
}

// sender hands messages to Redis, one batch after the other. While Redis cannot
// be reached it waits, so that they stay in the queue, and drops those that are
// too old.
type sender struct {
	conn    Conn
	maxAge  time.Duration
	retry   time.Duration
	blocked func(err error) // that it waits

	// subscribers counts who listens. After Redis was away, the others need a
	// moment to be there again, and what was published before is lost. Nil:
	// nobody has to be waited for.
	subscribers func(ctx context.Context) (int, error)
	listened    int // how many did, when it was last known

	node Conn // of Redis Cluster, for PUBLISH: one node after the other would not keep the order
}

// ErrExpired is the cause of the errors of messages that have waited for Redis
// for Options.MaxAge.
var ErrExpired = errors.New("redisadapter: the message has waited for Redis for too long")

// send hands over the messages of batch by requests, one for each; those
// without a verb are left out. It sets their errors.
func (s *sender) send(ctx context.Context, batch []sioadapter.Outgoing, requests []request) {
	pending := make([]int, 0, len(batch))
	for i := range requests {
		if requests[i].verb != nothing {
			pending = append(pending, i)
		}
	}
	wait := backoff{max: s.retry}
	for len(pending) > 0 {
		commands := make(rueidis.Commands, len(pending))
		conn := s.target(requests[pending[0]].verb)
		for k, i := range pending {
			commands[k] = requests[i].command(conn.B())
		}
		var again []int
		var cause error
		for k, r := range conn.DoMulti(ctx, commands...) {
			i, err := pending[k], r.Error()
			switch {
			case err == nil:
				if s.subscribers != nil && batch[i].Message.To == "" {
					if n, err := r.AsInt64(); err == nil && len(batch[i].Message.Selection.Rooms) != 1 {
						s.listened = int(n)
					}
				}
			case ctx.Err() == nil && notDone(err):
				again, cause = append(again, i), err
			default:
				batch[i].Err = fmt.Errorf("redisadapter: publishing: %w", err)
			}
		}
		pending = again
		if len(pending) == 0 {
			return
		}
		s.node = nil
		s.blocked(cause)
		more := wait.sleep(ctx)
		s.awaitSubscribers(ctx)
		now := time.Now()
		pending = slices.DeleteFunc(pending, func(i int) bool {
			switch {
			case !more:
				batch[i].Err = fmt.Errorf("redisadapter: publishing: %w", errors.Join(context.Cause(ctx), cause))
			case now.Sub(batch[i].Posted) >= s.maxAge:
				batch[i].Err = fmt.Errorf("%w: %w", ErrExpired, cause)
			}
			return batch[i].Err != nil
		})
	}
}

// maxGathering is how long the other nodes are waited for when Redis is back.
const maxGathering = 250 * time.Millisecond

// awaitSubscribers waits until as many listen as before. It returns at once if
// Redis is still away.
func (s *sender) awaitSubscribers(ctx context.Context) {
	if s.subscribers == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, maxGathering)
	defer cancel()
	for {
		n, err := s.subscribers(ctx)
		if err != nil || n >= s.listened {
			return
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
}

// target returns the client that takes a command.
func (s *sender) target(v verb) Conn {
	if v != publish || s.conn.Mode() != rueidis.ClientModeCluster {
		return s.conn
	}
	if s.node == nil {
		s.node = s.conn
		for _, node := range s.conn.Nodes() { // in no particular order
			s.node = node
			break
		}
	}
	return s.node
}

// notDone reports whether an error says that Redis has not done the command,
// and may do it later.
func notDone(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op == "dial"
	}
	if r, ok := rueidis.IsRedisErr(err); ok {
		for _, prefix := range []string{"LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "NOREPLICAS", "MOVED", "ASK"} {
			if strings.HasPrefix(r.Error(), prefix) {
				return true
			}
		}
	}
	return false
}
