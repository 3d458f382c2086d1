// Package sioprom counts what a Socket.IO server does, for Prometheus.
//
//	io := socketio.New(&socketio.Options{Hooks: sioprom.Hooks(prometheus.DefaultRegisterer)})
//	prometheus.MustRegister(sioprom.NewCollector(io.Engine()))
//
// Labels are bounded, whatever clients send: a namespace that was made from a
// pattern or a function counts as that, and an event without a handler as
// [Other].
//
//	sio_sockets                   gauge      namespace
//	sio_connections_total         counter    namespace
//	sio_disconnections_total      counter    namespace, reason
//	sio_event_duration_seconds    histogram  namespace, event, outcome
//	sio_events_dropped_total      counter    namespace
//
// The outcome of an event is one of the Outcome constants.
package sioprom

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/siogo/sio/socketio"
)

// Other is the label of events that have no handler.
const Other = "(other)"

// What became of an event.
const (
	OutcomeOK      = "ok"
	OutcomeRefused = "refused" // the handler returned a *socketio.Error
	OutcomeFailed  = "failed"  // it returned another error
	OutcomePanic   = "panic"
)

// Hooks registers the metrics with reg and returns the hooks that feed them. It
// panics when they cannot be registered, as prometheus.MustRegister does: for
// several servers in one process, wrap reg with a label for each, or give all of
// them the same hooks. To use others beside, see [socketio.MergeHooks].
func Hooks(reg prometheus.Registerer) *socketio.Hooks {
	const namespace, reason = "namespace", "reason"
	sockets := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "sio_sockets", Help: "Sockets that are connected.",
	}, []string{namespace})
	connections := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sio_connections_total", Help: "Sockets that were connected.",
	}, []string{namespace})
	disconnections := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sio_disconnections_total", Help: "Sockets that were disconnected, by reason.",
	}, []string{namespace, reason})
	events := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "sio_event_duration_seconds", Help: "How long the handlers of events took, waits for acknowledgements included.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9), // 0.5 ms to 33 s
	}, []string{namespace, "event", "outcome"})
	dropped := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sio_events_dropped_total", Help: "Events that were not handled, because of a limit or a full queue.",
	}, []string{namespace})
	reg.MustRegister(sockets, connections, disconnections, events, dropped)

	return &socketio.Hooks{
		Connect: func(s *socketio.Socket) {
			name := nameOf(s)
			sockets.WithLabelValues(name).Inc()
			connections.WithLabelValues(name).Inc()
		},
		Disconnect: func(s *socketio.Socket, err *socketio.DisconnectError) {
			name := nameOf(s)
			sockets.WithLabelValues(name).Dec()
			disconnections.WithLabelValues(name, string(err.Reason)).Inc()
		},
		Event: func(ctx context.Context, e *socketio.Event) (context.Context, func(error)) {
			event := Other
			if e.Handled() {
				event = e.Name
			}
			start := time.Now()
			return ctx, func(err error) {
				events.WithLabelValues(nameOf(e.Socket()), event, outcome(err)).Observe(time.Since(start).Seconds())
			}
		},
		Dropped: func(s *socketio.Socket, _ string) { dropped.WithLabelValues(nameOf(s)).Inc() },
	}
}

// nameOf is the label of a socket's namespace.
func nameOf(s *socketio.Socket) string {
	n := s.Namespace()
	if p := n.Parent(); p != nil {
		n = p
	}
	return n.Name()
}

func outcome(err error) string {
	switch {
	case err == nil, errors.Is(err, socketio.Leave), errors.Is(err, socketio.Hangup):
		return OutcomeOK
	case errors.As(err, new(*socketio.PanicError)):
		return OutcomePanic
	case errors.As(err, new(*socketio.Error)):
		return OutcomeRefused
	}
	return OutcomeFailed
}
