package sioprom_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/siogo/sio/exporters/sioprom"
	"github.com/siogo/sio/socketio"
	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/siotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewPedanticRegistry()
		io := socketio.New(&socketio.Options{Hooks: sioprom.Hooks(reg), Logger: slog.New(slog.DiscardHandler)})
		reg.MustRegister(sioprom.NewCollector(io.Engine()))
		org := io.Of("/org/{id}")
		for name, err := range map[string]error{"ok": nil, "refused": &socketio.Error{Code: "no"}, "failed": errors.New("disk full"), "leave": socketio.Leave} {
			org.On(name, func(context.Context, *socketio.Event) error { return err })
		}
		org.On("panic", func(context.Context, *socketio.Event) error { panic("bad") })
		org.On("limited", func(_ context.Context, e *socketio.Event) error { return e.Reply() }, event.Limit(1, 1))
		org.OnUnknown(func(context.Context, *socketio.Event) error { time.Sleep(time.Second); return nil })

		n := siotest.NewNetwork(t, io)
		a, b := n.Dial(t, "/org/1", nil), n.Dial(t, "/org/2", nil)
		for _, name := range []string{"ok", "ok", "refused", "failed", "panic", "limited", "limited"} {
			a.Emit(name)
		}
		for i := range 100 {
			a.Emit(fmt.Sprint("made up ", i))
		}
		b.Emit("leave")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		want := `
# HELP sio_connections_total Sockets that were connected.
# TYPE sio_connections_total counter
sio_connections_total{namespace="/org/{id}"} 2
# HELP sio_disconnections_total Sockets that were disconnected, by reason.
# TYPE sio_disconnections_total counter
sio_disconnections_total{namespace="/org/{id}",reason="server namespace disconnect"} 1
# HELP sio_events_dropped_total Events that were not handled, because of a limit or a full queue.
# TYPE sio_events_dropped_total counter
sio_events_dropped_total{namespace="/org/{id}"} 1
# HELP sio_sockets Sockets that are connected.
# TYPE sio_sockets gauge
sio_sockets{namespace="/org/{id}"} 1
# HELP sio_engine_sessions Sessions that are open.
# TYPE sio_engine_sessions gauge
sio_engine_sessions 2
# HELP sio_engine_opened_total Sessions that were opened.
# TYPE sio_engine_opened_total counter
sio_engine_opened_total 2
`
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "sio_connections_total", "sio_disconnections_total",
			"sio_events_dropped_total", "sio_sockets", "sio_engine_sessions", "sio_engine_opened_total"); err != nil {
			t.Error(err)
		}

		got := map[string]uint64{}
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() != "sio_event_duration_seconds" {
				continue
			}
			for _, m := range f.GetMetric() {
				var labels []string
				for _, l := range m.GetLabel() {
					labels = append(labels, l.GetValue())
				}
				got[strings.Join(labels, " ")] = m.GetHistogram().GetSampleCount()
				if labels[0] == sioprom.Other && m.GetHistogram().GetSampleSum() != 100 {
					t.Errorf("100 events of a second took %v s", m.GetHistogram().GetSampleSum())
				}
			}
		}
		events := map[string]uint64{"ok": 2, "refused": 1, "failed": 1, "panic": 1, "limited": 2, "leave": 1, sioprom.Other: 100}
		outcomes := map[string]string{"refused": sioprom.OutcomeRefused, "failed": sioprom.OutcomeFailed, "panic": sioprom.OutcomePanic}
		for name, n := range events {
			outcome := outcomes[name]
			if outcome == "" {
				outcome = sioprom.OutcomeOK
			}
			if key := name + " /org/{id} " + outcome; got[key] != n {
				t.Errorf("%s: counted %d, want %d", key, got[key], n)
			}
		}
		if len(got) != len(events) {
			t.Errorf("%d series %v, want %d", len(got), got, len(events))
		}
		if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
			t.Errorf("%v %v", problems, err)
		}
	})
}

func Example() {
	reg := prometheus.NewRegistry()
	io := socketio.New(&socketio.Options{Hooks: sioprom.Hooks(reg)})
	defer io.Close()
	reg.MustRegister(sioprom.NewCollector(io.Engine()))
	// http.Handle("/metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))

	n, err := testutil.GatherAndCount(reg, "sio_engine_sessions")
	fmt.Println(n, err)
	// Output: 1 <nil>
}
