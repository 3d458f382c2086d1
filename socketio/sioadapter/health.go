package sioadapter

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// EventKind is what a [ClusterEvent] is about.
type EventKind uint8

const (
	EventNodeJoined    EventKind = iota + 1 // Node is there, or is there again
	EventNodeLeft                           // Node said goodbye
	EventNodeLost                           // Node has been silent for HeartbeatTimeout
	EventGap                                // Count messages of Node were lost on their way
	EventDuplicate                          // a message of Node came twice, or too late; it was dropped
	EventMalformed                          // something came that is no message; it was dropped
	EventOverflow                           // a message was dropped, the first since the queue was full
	EventOverflowEnded                      // there is room in the queue again; Count were dropped
	EventPublishFailed                      // the bus did not take Count messages
	EventInterrupted                        // the connection to the bus was lost, and is there again
	EventDisconnected                       // the connection to the bus was lost; EventInterrupted or EventResumed follows
	EventResumed                            // the connection to the bus is there again, and no message was lost
)

var eventNames = [...]string{"", "node joined", "node left", "node lost", "messages lost", "duplicate message", "malformed message",
	"queue overflow", "queue overflow ended", "publish failed", "bus interrupted", "bus disconnected", "bus resumed"}

// String returns the kind in words, for example "node lost".
func (k EventKind) String() string {
	if k > 0 && int(k) < len(eventNames) {
		return eventNames[k]
	}
	return fmt.Sprintf("event kind %d", uint8(k))
}

// A ClusterEvent is something that happened between nodes.
type ClusterEvent struct {
	Kind      EventKind
	Namespace string
	Node      string // the other node; "" if it concerns none
	Count     uint64 // of messages
	Err       error
}

var eventLevels = map[EventKind]slog.Level{
	EventNodeJoined:    slog.LevelInfo,
	EventNodeLeft:      slog.LevelInfo,
	EventNodeLost:      slog.LevelWarn,
	EventGap:           slog.LevelWarn,
	EventDuplicate:     slog.LevelDebug,
	EventMalformed:     slog.LevelDebug, // there may be any number of them; they are counted
	EventOverflow:      slog.LevelError,
	EventOverflowEnded: slog.LevelWarn,
	EventPublishFailed: slog.LevelError,
	EventInterrupted:   slog.LevelWarn,
	EventDisconnected:  slog.LevelError,
	EventResumed:       slog.LevelInfo,
}

// event logs e and tells who wants to know. No lock is held.
func (c *Cluster) event(e ClusterEvent) {
	e.Namespace = c.name
	if log, level := c.ns.Logger(), eventLevels[e.Kind]; log.Enabled(context.Background(), level) {
		attrs := []slog.Attr{slog.String("namespace", e.Namespace)}
		if e.Node != "" {
			attrs = append(attrs, slog.String("node", e.Node))
		}
		if e.Count > 0 {
			attrs = append(attrs, slog.Uint64("count", e.Count))
		}
		if e.Err != nil {
			attrs = append(attrs, slog.Any("err", e.Err))
		}
		log.LogAttrs(context.Background(), level, e.Kind.String(), attrs...)
	}
	if c.options.OnEvent != nil {
		c.options.OnEvent(e)
	}
}

// malformed counts a message that was dropped.
func (c *Cluster) malformed(err error) {
	c.mu.Lock()
	c.health.Malformed++
	c.mu.Unlock()
	c.event(ClusterEvent{Kind: EventMalformed, Err: err})
}

// Health is the state of a node's connection to the others.
type Health struct {
	Node  string       // name of this node
	Nodes []NodeHealth // the others that are alive, by name; none without heartbeats

	Err   error     // why messages do not go out, or none come in; nil: they do
	Since time.Time // when Err was last set or cleared

	Queued      int // messages that wait for the bus
	QueuedBytes int

	// Messages since the beginning.
	Published     uint64 // taken by the bus
	Failed        uint64 // not taken by the bus
	Dropped       uint64 // not queued, since the queue was full
	Received      uint64 // of other nodes, without the following
	Malformed     uint64
	Duplicates    uint64 // and those that came too late
	Missed        uint64 // lost on their way here
	Interruptions uint64 // of the connection to the bus
}

// NodeHealth is what is known of another node.
type NodeHealth struct {
	Name string
	Seen time.Time // when its last message came
}

// Health returns the state of this node's connection to the others.
func (c *Cluster) Health() Health {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.health
	h.Node = c.node
	switch {
	case c.deaf != nil && h.Err == nil:
		h.Err, h.Since = c.deaf, c.deafAt
	case c.deaf != nil && c.deafAt.Before(h.Since):
		h.Since = c.deafAt
	case c.deaf == nil && h.Err == nil && h.Since.Before(c.deafAt):
		h.Since = c.deafAt
	}
	h.Queued, h.QueuedBytes = len(c.queue.waiting), c.queue.bytes
	if c.heartbeats() {
		for name, n := range c.nodes.byName {
			if n.state == nodeAlive {
				h.Nodes = append(h.Nodes, NodeHealth{name, n.seen})
			}
		}
		slices.SortFunc(h.Nodes, func(a, b NodeHealth) int { return strings.Compare(a.Name, b.Name) })
	}
	return h
}
