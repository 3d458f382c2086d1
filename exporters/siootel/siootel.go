// Package siootel traces the events of a Socket.IO server, and measures them, with
// OpenTelemetry.
//
//	io := socketio.New(&socketio.Options{Hooks: siootel.Hooks()})
//
// Each event is a span of its own trace, of the kind "server", which is in the
// context of its handlers. It is linked to the span of the request that began the
// connection, if there is one: as a child of that, it would be part of a trace
// that lasts as long as the connection.
//
//	name         the name of the event, or [Other]
//	attributes   socketio.namespace, socketio.event, socketio.id
//	status       an error, unless the handlers returned none or a *socketio.Error
//
// The instruments are these; their attributes are bounded, whatever clients send:
// a namespace that was made from a pattern or a function counts as that, and an
// event without a handler as [Other].
//
//	socketio.server.sockets           up-down counter  socketio.namespace
//	socketio.server.disconnections    counter          socketio.namespace, socketio.reason
//	socketio.server.event.duration    histogram, in s  socketio.namespace, socketio.event, socketio.outcome
//	socketio.server.event.dropped     counter          socketio.namespace
package siootel

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/siogo/sio/socketio"
)

// Other is the name of events that have no handler.
const Other = "(other)"

// What became of an event.
const (
	OutcomeOK      = "ok"
	OutcomeRefused = "refused" // the handler returned a *socketio.Error
	OutcomeFailed  = "failed"  // it returned another error
	OutcomePanic   = "panic"
)

const (
	scope = "github.com/siogo/sio/exporters/siootel"

	namespaceKey = attribute.Key("socketio.namespace")
	eventKey     = attribute.Key("socketio.event")
	socketKey    = attribute.Key("socketio.id")
	reasonKey    = attribute.Key("socketio.reason")
	outcomeKey   = attribute.Key("socketio.outcome")
)

// Hooks returns hooks that use the global providers. To use others beside, see
// [socketio.MergeHooks].
func Hooks() *socketio.Hooks { return HooksOf(otel.GetTracerProvider(), otel.GetMeterProvider()) }

// HooksOf returns hooks that use these providers. Errors of making instruments
// go to the error handler of OpenTelemetry.
func HooksOf(traces trace.TracerProvider, metrics metric.MeterProvider) *socketio.Hooks {
	tracer, meter := traces.Tracer(scope), metrics.Meter(scope)
	sockets, err1 := meter.Int64UpDownCounter("socketio.server.sockets",
		metric.WithDescription("Sockets that are connected."), metric.WithUnit("{socket}"))
	disconnections, err2 := meter.Int64Counter("socketio.server.disconnections",
		metric.WithDescription("Sockets that were disconnected, by reason."), metric.WithUnit("{socket}"))
	duration, err3 := meter.Float64Histogram("socketio.server.event.duration",
		metric.WithDescription("How long the handlers of events took, waits for acknowledgements included."), metric.WithUnit("s"))
	dropped, err4 := meter.Int64Counter("socketio.server.event.dropped",
		metric.WithDescription("Events that were not handled, because of a limit or a full queue."), metric.WithUnit("{event}"))
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		otel.Handle(err)
	}

	return &socketio.Hooks{
		Connect: func(s *socketio.Socket) {
			sockets.Add(s.Context(), 1, metric.WithAttributes(namespaceOf(s)))
		},
		Disconnect: func(s *socketio.Socket, err *socketio.DisconnectError) {
			ctx := context.WithoutCancel(s.Context())
			sockets.Add(ctx, -1, metric.WithAttributes(namespaceOf(s)))
			disconnections.Add(ctx, 1, metric.WithAttributes(namespaceOf(s), reasonKey.String(string(err.Reason))))
		},
		Event: func(ctx context.Context, e *socketio.Event) (context.Context, func(error)) {
			name := Other
			if e.Handled() {
				name = e.Name
			}
			start := time.Now()
			ctx, span := tracer.Start(ctx, name,
				trace.WithNewRoot(), trace.WithLinks(linksOf(ctx)...), trace.WithSpanKind(trace.SpanKindServer),
				trace.WithAttributes(namespaceKey.String(e.Socket().Namespace().Name()), eventKey.String(e.Name), socketKey.String(e.Socket().ID())))
			return ctx, func(err error) {
				outcome := outcomeOf(err)
				if outcome != OutcomeOK {
					span.RecordError(err)
				}
				if outcome == OutcomeFailed || outcome == OutcomePanic {
					span.SetStatus(codes.Error, err.Error())
				}
				span.End()
				duration.Record(ctx, time.Since(start).Seconds(),
					metric.WithAttributes(namespaceOf(e.Socket()), eventKey.String(name), outcomeKey.String(outcome)))
			}
		},
		Dropped: func(s *socketio.Socket, _ string) {
			dropped.Add(context.WithoutCancel(s.Context()), 1, metric.WithAttributes(namespaceOf(s)))
		},
	}
}

// linksOf returns a link to the span of the request that began the connection.
func linksOf(ctx context.Context) []trace.Link {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		return []trace.Link{{SpanContext: span}}
	}
	return nil
}

// namespaceOf is the attribute of a socket's namespace in metrics.
func namespaceOf(s *socketio.Socket) attribute.KeyValue {
	n := s.Namespace()
	if p := n.Parent(); p != nil {
		n = p
	}
	return namespaceKey.String(n.Name())
}

func outcomeOf(err error) string {
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
