package memnet

import (
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestHTTPInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Listen()
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Hour)
			io.WriteString(w, "an hour later")
		})}
		go srv.Serve(l) // ended by srv.Close below
		client := &http.Client{Transport: &http.Transport{DialContext: l.DialContext}}
		start := time.Now()
		resp, err := client.Get("http://server/")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if got := time.Since(start); got != time.Hour || string(body) != "an hour later" {
			t.Errorf("%q after %v, want it after exactly 1h", body, got)
		}
		client.CloseIdleConnections()
		srv.Close()
		if _, err := l.Dial(t.Context()); err == nil {
			t.Error("a closed listener was dialled")
		}
	})
}
