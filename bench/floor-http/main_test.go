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
	for _, duties := range []bool{false, true} {
		testPolling(t, &server{hub: floor.NewHub(func([]*floor.Session, []byte) {}), duties: duties})
	}
}

func testPolling(t *testing.T, v *server) {
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
	for _, exchange := range []struct{ packet, answer string }{{"40", `40{"sid":"`}, {"421[\"echo\",[1,2]]", "431[[1,2]]"}} {
		if got := do("POST", "&sid="+sid, exchange.packet); got != "ok" {
			t.Errorf("with duties %v, the POST is answered with %q", v.duties, got)
		}
		if got := do("GET", "&sid="+sid, ""); !strings.HasPrefix(got, exchange.answer) {
			t.Errorf("with duties %v, the GET is answered with %q", v.duties, got)
		}
	}
	if got := do("POST", "&sid="+sid, "422[\"echo\",1]\x1e423[\"echo\",2]"); got != "ok" {
		t.Errorf("with duties %v, the POST is answered with %q", v.duties, got)
	}
	answers := ""
	for !strings.HasSuffix(answers, "433[2]") { // in one answer, or in two
		answers += do("GET", "&sid="+sid, "")
	}
	if got := strings.ReplaceAll(answers, "\x1e", ""); got != "432[1]433[2]" {
		t.Errorf("with duties %v, two events are answered with %q", v.duties, got)
	}
	if got := do("GET", "&sid=unknown", ""); got != "Bad Request" {
		t.Errorf("an unknown sid is answered with %q", got)
	}
}
