package sioprom

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/siogo/sio/engineio"
)

// NewCollector returns what collects the counters of the connections of a
// server, [engineio.Stats], each time it is asked.
//
//	sio_engine_sessions             gauge
//	sio_engine_websockets           gauge
//	sio_engine_opened_total         counter
//	sio_engine_upgraded_total       counter
//	sio_engine_closed_total         counter  reason
//	sio_engine_refused_total        counter  code
//	sio_engine_messages_total       counter  direction: in, out
//	sio_engine_bytes_total          counter  direction: in, out
//	sio_engine_dropped_total        counter
//	sio_engine_lost_total           counter
func NewCollector(srv *engineio.Server) prometheus.Collector { return &collector{srv} }

type collector struct{ srv *engineio.Server }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("sio_engine_"+name, help, labels, nil)
}

var (
	sessionsDesc   = describe("sessions", "Sessions that are open.")
	websocketsDesc = describe("websockets", "WebSockets that are open, those that are probed or say goodbye included.")
	openedDesc     = describe("opened_total", "Sessions that were opened.")
	upgradedDesc   = describe("upgraded_total", "Sessions that moved from polling to WebSocket.")
	closedDesc     = describe("closed_total", "Sessions that were closed, by reason.", "reason")
	refusedDesc    = describe("refused_total", "Requests that were refused, by the code of the answer.", "code")
	messagesDesc   = describe("messages_total", "Messages, by direction.", "direction")
	bytesDesc      = describe("bytes_total", "Bytes of messages, by direction.", "direction")
	droppedDesc    = describe("dropped_total", "Volatile messages that were dropped.")
	lostDesc       = describe("lost_total", "Packets that were queued when their session ended.")
)

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		sessionsDesc, websocketsDesc, openedDesc, upgradedDesc, closedDesc, refusedDesc, messagesDesc, bytesDesc, droppedDesc, lostDesc,
	} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	st := c.srv.Stats()
	gauge := func(d *prometheus.Desc, v int) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v))
	}
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(sessionsDesc, st.Sessions)
	gauge(websocketsDesc, st.WebSockets)
	count(openedDesc, st.Opened)
	count(upgradedDesc, st.Upgraded)
	for reason, n := range st.Closed {
		count(closedDesc, n, string(reason))
	}
	for code, n := range st.Refused {
		count(refusedDesc, n, strconv.Itoa(code))
	}
	count(messagesDesc, st.MessagesIn, "in")
	count(messagesDesc, st.MessagesOut, "out")
	count(bytesDesc, st.BytesIn, "in")
	count(bytesDesc, st.BytesOut, "out")
	count(droppedDesc, st.Dropped)
	count(lostDesc, st.Lost)
}
