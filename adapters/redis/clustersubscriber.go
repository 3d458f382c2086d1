package redisadapter

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// subscriptions is a subscriber, or a clusterSubscriber.
type subscriptions interface {
	add(c consumer, topics ...topic)
	remove(c consumer, topics ...topic)
	removeAll(c consumer)
}

func newSubscriptions(conn Conn, retry time.Duration) subscriptions {
	if conn.Mode() == rueidis.ClientModeCluster {
		return &clusterSubscriber{conn: conn, retry: retry, topics: make(map[topic]*clusterTopic), states: make(map[consumer]*clusterState)}
	}
	return newSubscriber(conn, retry)
}

// clusterSubscriber keeps sharded subscriptions in Redis Cluster, where each
// channel is on the node that has its slot. The client finds that, and follows
// when the slot moves; it shares its connections among the channels.
//
// Goroutines: one for each channel, from add to remove, which waits for it.
type clusterSubscriber struct {
	conn  Conn
	retry time.Duration

	mu     sync.Mutex
	topics map[topic]*clusterTopic
	states map[consumer]*clusterState
}

type clusterTopic struct {
	consumer  consumer
	cancel    context.CancelFunc
	done      chan struct{} // closed when the goroutine has ended
	confirmed bool          // now
}

// clusterState is what a consumer has been told.
type clusterState struct {
	topics int
	told   bool  // that it is connected
	lost   error // what disconnected was last called with; nil: connected since

}

func (s *clusterSubscriber) add(c consumer, topics ...topic) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.states[c]
	if state == nil {
		state = &clusterState{}
		s.states[c] = state
	}
	for _, t := range topics {
		if s.topics[t] != nil {
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		ct := &clusterTopic{consumer: c, cancel: cancel, done: make(chan struct{})}
		s.topics[t] = ct
		state.topics++
		go s.run(ctx, t, ct) // ends with the cancel of remove, which waits for it
	}
}

func (s *clusterSubscriber) remove(c consumer, topics ...topic) {
	var ended []*clusterTopic
	s.mu.Lock()
	for _, t := range topics {
		if ct := s.topics[t]; ct != nil && ct.consumer == c {
			delete(s.topics, t)
			ct.cancel()
			ended = append(ended, ct)
			if state := s.states[c]; state.topics == 1 {
				delete(s.states, c)
			} else {
				state.topics--
			}
		}
	}
	s.mu.Unlock()
	for _, ct := range ended {
		<-ct.done
	}
}

func (s *clusterSubscriber) removeAll(c consumer) {
	var topics []topic
	s.mu.Lock()
	for t, ct := range s.topics {
		if ct.consumer == c {
			topics = append(topics, t)
		}
	}
	s.mu.Unlock()
	s.remove(c, topics...)
}

var errSubscriptionEnded = errors.New("redisadapter: Redis ended a subscription")

// run keeps one subscription.
func (s *clusterSubscriber) run(ctx context.Context, t topic, ct *clusterTopic) {
	defer close(ct.done)
	wait := backoff{max: s.retry}
	hooked := rueidis.WithOnSubscriptionHook(ctx, func(e rueidis.PubSubSubscription) {
		if e.Kind == "ssubscribe" {
			wait.reset()
			s.confirm(ct)
		}
	})
	for {
		err := s.conn.Receive(hooked, s.conn.B().Ssubscribe().Channel(t.name).Build(), func(m rueidis.PubSubMessage) {
			ct.consumer.message(t, m.Channel, m.Message)
		})
		if ctx.Err() != nil {
			// The client leaves it to us to end the subscription.
			last, cancel := context.WithTimeout(context.Background(), s.retry)
			s.conn.Do(last, s.conn.B().Sunsubscribe().Channel(t.name).Build())
			cancel()
			return
		}
		if err == nil {
			err = errSubscriptionEnded
		}
		s.lose(ct, err)
		if !wait.sleep(ctx) {
			return
		}
	}
}

// confirm takes note that a subscription is there. If it was before, the
// connection was lost in between, and nobody has said so.
func (s *clusterSubscriber) confirm(ct *clusterTopic) {
	s.mu.Lock()
	again := ct.confirmed
	s.mu.Unlock()
	if again {
		s.lose(ct, errSubscriptionEnded)
	}
	s.mu.Lock()
	ct.confirmed = true
	state := s.states[ct.consumer]
	all := state != nil && !state.told
	for _, other := range s.topics {
		all = all && (other.consumer != ct.consumer || other.confirmed)
	}
	if !all {
		s.mu.Unlock()
		return
	}
	err := state.lost
	state.told, state.lost = true, nil
	s.mu.Unlock()
	ct.consumer.connected(err)
}

func (s *clusterSubscriber) lose(ct *clusterTopic, err error) {
	s.mu.Lock()
	ct.confirmed = false
	state := s.states[ct.consumer]
	if state == nil {
		s.mu.Unlock()
		return
	}
	first := state.told || state.lost == nil
	state.told, state.lost = false, err
	s.mu.Unlock()
	if first {
		ct.consumer.disconnected(err)
	}
}
