package engineio

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// form writes an answer as the lines that matter: status, headers but Date in
// order of their names, and body.
func form(resp *http.Response, body string) string {
	lines := []string{resp.Proto + " " + resp.Status}
	for name, values := range resp.Header {
		if name != "Date" {
			lines = append(lines, name+": "+strings.Join(values, ", "))
		}
	}
	slices.Sort(lines[1:])
	if resp.Close {
		lines = append(lines, "Connection: close")
	}
	return strings.Join(append(lines, "", body), "\n")
}

// refusal is the form of a refused request.
func refusal(status, body string) string {
	return fmt.Sprintf("HTTP/1.1 %s\nCache-Control: no-store\nContent-Length: %d\nContent-Type: application/json\n\n%s", status, len(body), body)
}

// refusedUpgrade is the form of a refusal of an upgrade.
func refusedUpgrade(status, body string, headers ...string) string {
	lines := append([]string{"Cache-Control: no-store", fmt.Sprintf("Content-Length: %d", len(body)), "Content-Type: text/html", "X-Content-Type-Options: nosniff"}, headers...)
	slices.Sort(lines)
	return "HTTP/1.1 " + status + "\n" + strings.Join(lines, "\n") + "\nConnection: close\n\n" + body
}

const bad = "400 Bad Request"

// The exact answers to everything a client may ask for.
func TestForms(t *testing.T) {
	var r *rig
	o := Options{
		DisableRevision3: true,
		MaxPayload:       100,
		Transports:       []string{Polling, WebSocket},
		AllowRequest: func(r *http.Request) error {
			switch r.Header.Get("X-Refuse") {
			case "":
				return nil
			case "empty":
				return errors.New("")
			}
			return errors.New(`no "<entry>"`)
		},
	}
	r = newEchoRig(t, o)
	const handshake = "transport=polling&EIO=4"
	const websocket = "transport=websocket&EIO=4"
	for _, tc := range []struct {
		name, method, query string
		headers             []string
		body                string
		want                string
	}{
		{"no transport", "GET", "EIO=4", nil, "", refusal(bad, `{"code":0,"message":"Transport unknown"}`)},
		{"webtransport", "GET", "transport=webtransport&EIO=4", nil, "", refusal(bad, `{"code":0,"message":"Transport unknown"}`)},
		{"unknown session", "GET", handshake + "&sid=x", nil, "", refusal(bad, `{"code":1,"message":"Session ID unknown"}`)},
		{"POST to an unknown session", "POST", handshake + "&sid=x", nil, "4a", refusal(bad, `{"code":1,"message":"Session ID unknown"}`)},
		{"handshake by POST", "POST", handshake, nil, "4a", refusal(bad, `{"code":2,"message":"Bad handshake method"}`)},
		{"OPTIONS", "OPTIONS", handshake, nil, "", refusal(bad, `{"code":2,"message":"Bad handshake method"}`)},
		{"another transport", "GET", "transport=polling&EIO=4&sid=WS", nil, "", refusal(bad, `{"code":3,"message":"Bad request"}`)},
		{"another transport by another method", "PUT", "transport=polling&EIO=4&sid=WS", nil, "", refusal(bad, `{"code":3,"message":"Bad request"}`)},
		{"another revision", "GET", "transport=polling&EIO=3&sid=SID", nil, "", refusal(bad, `{"code":3,"message":"Bad request"}`)},
		{"websocket without an upgrade", "GET", "transport=websocket&EIO=4&", []string{"Connection: keep-alive", "Upgrade: h2c"}, "", refusal(bad, `{"code":3,"message":"Bad request"}`)},
		{"forbidden", "GET", handshake, []string{"X-Refuse: yes"}, "", refusal("403 Forbidden", `{"code":4,"message":"no \"\u003centry\u003e\""}`)},
		{"forbidden without a word", "GET", handshake, []string{"X-Refuse: empty"}, "", refusal("403 Forbidden", `{"code":4,"message":"Forbidden"}`)},
		{"revision 3", "GET", "transport=polling&EIO=3", nil, "", refusal(bad, `{"code":5,"message":"Unsupported protocol version"}`)},
		{"no revision", "GET", "transport=polling", nil, "", refusal(bad, `{"code":5,"message":"Unsupported protocol version"}`)},

		{"upgrade, unknown session", "GET", websocket + "&sid=x", nil, "", refusedUpgrade(bad, "Session ID unknown")},
		{"upgrade, forbidden", "GET", websocket, []string{"X-Refuse: yes"}, "", refusedUpgrade(bad, `no "<entry>"`)},
		{"upgrade, revision 3", "GET", "transport=websocket", nil, "", refusedUpgrade(bad, "Unsupported protocol version")},
		{"upgrade of polling", "GET", "transport=polling&EIO=4&transport=websocket&transport=polling", nil, "", refusedUpgrade(bad, "Bad request")},
		{"upgrade of another version", "GET", websocket, []string{"Sec-WebSocket-Version: 12"}, "", refusedUpgrade("426 Upgrade Required", "expected WebSocket version 13", "Sec-Websocket-Version: 13")},
		{"upgrade with a body", "GET", websocket, nil, "4a", refusedUpgrade(bad, "an upgrade request must not have a body", "Sec-Websocket-Version: 13")},

		{"POST", "POST", handshake + "&sid=SID", nil, "4a", "HTTP/1.1 200 OK\nCache-Control: no-store\nContent-Length: 2\nContent-Type: text/html\n\nok"},
		{"poll", "GET", handshake + "&sid=SID", nil, "", "HTTP/1.1 200 OK\nCache-Control: no-store\nContent-Length: 2\nContent-Type: text/plain; charset=UTF-8\nX-Accel-Buffering: no\n\n4a"},
		{"POST that is too large", "POST", handshake + "&sid=SID", nil, strings.Repeat("4", 101), "HTTP/1.1 413 Request Entity Too Large\nContent-Length: 0\nConnection: close\n\n"},
		{"PUT", "PUT", handshake + "&sid=SID", nil, "4a", "HTTP/1.1 405 Method Not Allowed\nAllow: GET, POST\nContent-Length: 0\n\n"},
		{"HEAD", "HEAD", handshake + "&sid=SID", nil, "", "HTTP/1.1 405 Method Not Allowed\nAllow: GET, POST\n\n"},
		{"binary POST", "POST", handshake + "&sid=OTHER", []string{"Content-Type: application/octet-stream"}, "4a", "HTTP/1.1 400 Bad Request\nContent-Length: 0\n\n"},
		{"POST that is no payload", "POST", handshake + "&sid=ANOTHER", nil, "nonsense", "HTTP/1.1 200 OK\nCache-Control: no-store\nContent-Length: 2\nContent-Type: text/html\n\nok"},
		{"WebSocket", "GET", websocket, nil, "", "HTTP/1.1 101 Switching Protocols\nConnection: Upgrade\nSec-Websocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\nUpgrade: websocket\n\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			query := tc.query
			if strings.Contains(query, "=WS") {
				w := r.upgrade(websocket)
				open := w.read()
				query = strings.Replace(query, "WS", open[len(`0{"sid":"`):][:20], 1)
				<-r.opened
			}
			var p *pollPeer
			if strings.Contains(query, "SID") || strings.Contains(query, "OTHER") {
				p = r.polling("4")
				query = strings.NewReplacer("ANOTHER", p.sid, "OTHER", p.sid, "SID", p.sid).Replace(query)
			}
			if tc.name == "poll" {
				p.rec.Send(text("a"))
			}
			resp, body := r.exchange(tc.method, query, tc.headers, tc.body)
			if got := form(resp, body); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

// exchange sends a request with a body, if that is not empty.
func (r *rig) exchange(method, query string, headers []string, body string) (*http.Response, string) {
	r.t.Helper()
	c := r.connect()
	lines := head(method, query)
	if strings.Contains(query, "transport=websocket") && !slices.Contains(headers, "Upgrade: h2c") {
		for line := range strings.Lines(upgradeHead[len("Host: server\r\n"):]) {
			name, _, _ := strings.Cut(line, ":")
			if !slices.ContainsFunc(headers, func(h string) bool { return strings.HasPrefix(h, name+":") }) {
				lines += line
			}
		}
	}
	for _, h := range headers {
		lines += h + "\r\n"
	}
	if body != "" {
		lines += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	c.send(lines + "\r\n" + body)
	resp, err := http.ReadResponse(c.br, &http.Request{Method: method})
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.nc.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp, ""
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, string(b)
}
