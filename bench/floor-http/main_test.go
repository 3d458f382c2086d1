package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/siogo/sio/bench/floor"
)

func TestPolling(t *testing.T) {
	v := &server{hub: floor.NewHub(func([]*floor.Session, []byte) {})}
	do := func(method, query, body string) string {
		w := httptest.NewRecorder()
		v.ServeHTTP(w, httptest.NewRequest(method, "/socket.io/?EIO=4&transport=polling"+query, strings.NewReader(body)))
		answer, _ := io.ReadAll(w.Body)
		if w.Code != http.StatusOK {
			return http.StatusText(w.Code)
		}
		return string(answer)
	}
	_, rest, _ := strings.Cut(do("GET", "", ""), `"sid":"`)
	sid, _, ok := strings.Cut(rest, `"`)
	if !ok {
		t.Fatal("no sid")
	}
	if got := do("POST", "&sid="+sid, "40\x1e421[\"echo\",[1,2]]"); got != "ok" {
		t.Errorf("the POST is answered with %q", got)
	}
	got := do("GET", "&sid="+sid, "")
	if connect, echo, _ := strings.Cut(got, "\x1e"); !strings.HasPrefix(connect, `40{"sid":"`) || echo != "431[[1,2]]" {
		t.Errorf("the GET is answered with %q", got)
	}
	if got := do("GET", "&sid=unknown", ""); got != "Bad Request" {
		t.Errorf("an unknown sid is answered with %q", got)
	}
}
