package siootel_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/exporters/siootel"
	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/siotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTracesAndMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder, reader := tracetest.NewSpanRecorder(), sdkmetric.NewManualReader()
		traces := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
		metrics := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
		var request trace.SpanContext
		io := socketio.New(&socketio.Options{
			Hooks: siootel.HooksOf(traces, metrics),
			Engine: engineio.Options{Middleware: []func(http.Handler) http.Handler{func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // as otelhttp does
					ctx, span := traces.Tracer("http").Start(r.Context(), "request")
					request = span.SpanContext()
					defer span.End()
					next.ServeHTTP(w, r.WithContext(ctx))
				})
			}}},
			Logger: slog.New(slog.DiscardHandler),
		})
		org := io.Of("/org/{id}")
		org.On("ok", func(ctx context.Context, e *socketio.Event) error {
			_, span := traces.Tracer("db").Start(ctx, "query")
			defer span.End()
			time.Sleep(time.Second)
			return nil
		}, event.Limit(0.001, 1))
		org.On("refused", func(context.Context, *socketio.Event) error { return &socketio.Error{Code: "no", Message: "never"} })
		org.On("failed", func(context.Context, *socketio.Event) error { return errors.New("disk full") })
		org.On("panic", func(context.Context, *socketio.Event) error { panic("bad") })
		org.OnUnknown(func(context.Context, *socketio.Event) error { return nil })

		c := siotest.NewNetwork(t, io).Dial(t, "/org/1", nil)
		for _, name := range []string{"ok", "refused", "failed", "panic", "made up 1", "made up 2", "ok"} {
			c.Emit(name)
		}
		time.Sleep(time.Minute)
		c.Close()
		synctest.Wait()

		byName := map[string]sdktrace.ReadOnlySpan{}
		for _, s := range recorder.Ended() {
			if byName[s.Name()] == nil {
				byName[s.Name()] = s
			}
		}
		ok := byName["ok"]
		if ok == nil || ok.Parent().IsValid() || ok.SpanKind() != trace.SpanKindServer || len(ok.Links()) != 1 || !ok.Links()[0].SpanContext.Equal(request) {
			t.Fatalf("span %+v, want a root that is linked to the request", ok)
		}
		if q := byName["query"]; q == nil || q.Parent().TraceID() != q.SpanContext().TraceID() || q.SpanContext().TraceID() == request.TraceID() {
			t.Errorf("the span of the handler is %+v, want it inside of the event", q)
		}
		if want := attribute.String("socketio.namespace", "/org/1"); !slices.Contains(ok.Attributes(), want) {
			t.Errorf("attributes %v, want %v among them", ok.Attributes(), want)
		}
		for name, want := range map[string]codes.Code{"ok": codes.Unset, "refused": codes.Unset, "failed": codes.Error, "panic": codes.Error, siootel.Other: codes.Unset} {
			if s := byName[name]; s == nil || s.Status().Code != want {
				t.Errorf("%s: %+v, want the status %v", name, s, want)
			}
		}

		var all metricdata.ResourceMetrics
		if err := reader.Collect(t.Context(), &all); err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, m := range all.ScopeMetrics[0].Metrics {
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					got[m.Name+" "+labels(p.Attributes)] = float64(p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					got[m.Name+" "+labels(p.Attributes)] = float64(p.Count)
				}
			}
		}
		for key, want := range map[string]float64{
			"socketio.server.sockets /org/{id}":                        0,
			"socketio.server.disconnections /org/{id} transport close": 1,
			"socketio.server.event.dropped /org/{id}":                  1,
			"socketio.server.event.duration refused /org/{id} refused": 1,
			"socketio.server.event.duration failed /org/{id} failed":   1,
			"socketio.server.event.duration panic /org/{id} panic":     1,
			"socketio.server.event.duration (other) /org/{id} ok":      2,
		} {
			if v, there := got[key]; !there || v != want {
				t.Errorf("%s is %v (there: %v), want %v, in %v", key, v, there, want, got)
			}
		}
	})
}

// labels are the values, in the order of their keys.
func labels(set attribute.Set) string {
	var values []string
	for _, kv := range set.ToSlice() {
		values = append(values, kv.Value.AsString())
	}
	return strings.Join(values, " ")
}

// Without providers, nothing happens.
func TestGlobalProviders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		io := socketio.New(&socketio.Options{Hooks: siootel.Hooks()})
		io.On("ask", func(_ context.Context, e *socketio.Event) error { return e.Reply(1) })
		c := siotest.NewNetwork(t, io).Dial(t, "/", nil)
		if _, err := c.Call(t.Context(), "ask"); err != nil {
			t.Error(err)
		}
	})
}
