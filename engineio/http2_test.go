package engineio

import (
	"net/http/httptest"
	"testing"
)

// newHTTP2Rig serves over HTTP/2 and TLS; the sessions send every message
// back.
func newHTTP2Rig(t *testing.T, o Options) *rig {
	r := newServer(t, o, echo)
	hs := httptest.NewUnstartedServer(r.srv)
	hs.EnableHTTP2 = true
	hs.StartTLS()
	r.base, r.client = hs.URL, hs.Client()
	t.Cleanup(func() { r.srv.Close(); r.client.CloseIdleConnections(); hs.Close() })
	return r
}

// Polling works over HTTP/2, where requests share a connection; WebSocket needs
// HTTP/1.1.
func TestHTTP2(t *testing.T) {
	r := newHTTP2Rig(t, Options{})
	resp, err := r.client.Get(r.url("transport=polling&EIO=4"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.ProtoMajor != 2 {
		t.Fatalf("served over %s", resp.Proto)
	}
	if !(<-r.opened).Handshake().Secure() {
		t.Error("the handshake does not count as secure")
	}
	p := r.polling("4")
	for range 10 {
		parked := p.goGet()
		p.post("4hello\x1ebAQID")
		got := <-parked
		if got == "4hello" { // the poll was faster than the second message
			got += "\x1e" + p.get()
		}
		if got != "4hello\x1ebAQID" {
			t.Errorf("echo %q", got)
		}
	}
	status, body := r.get("transport=websocket&EIO=4")
	expectError(t, "websocket over HTTP/2", status, body, 400, CodeBadRequest)
	parked := p.goGet()
	p.rec.Close()
	if got := <-parked; got != "1" {
		if got = p.get(); got != "1" {
			t.Errorf("poll answered %q, want a close", got)
		}
	}
	p.rec.reason(t)
}
