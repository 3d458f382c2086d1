package proxies

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// patience bounds every wait: a test machine may be slow.
const patience = time.Minute

// A client is a browser, as far as a proxy can see: it has an address and
// keeps cookies.
type client struct {
	base string
	jar  http.CookieJar
	http http.Client
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// newClient makes a client with an address of its own. Without cookies, it
// keeps none.
func newClient(t *testing.T, addr, from string, cookies bool) *client {
	local := &net.TCPAddr{IP: net.ParseIP(from)}
	c := &client{base: addr + "/engine.io/?EIO=4&transport=", dial: (&net.Dialer{LocalAddr: local}).DialContext}
	if cookies {
		c.jar, _ = cookiejar.New(nil) // cannot fail
	}
	// A connection for each request: nothing but the proxy's rules keeps them together.
	c.http = http.Client{Jar: c.jar, Timeout: patience, Transport: &http.Transport{DialContext: c.dial, DisableKeepAlives: true}}
	return c
}

// ask sends a request and returns the body of its answer.
func (c *client) ask(method, query, body string) (string, error) {
	req, err := http.NewRequest(method, "http://"+c.base+query, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	resp, err := c.http.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s %s", method, resp.Status, b)
	}
	return string(b), err
}

// exchange sends a message by a POST and returns the answer, from a poll.
func (c *client) exchange(query, message string) (string, error) {
	if _, err := c.ask("POST", query, "4"+message); err != nil {
		return "", err
	}
	answer, err := c.ask("GET", query, "")
	return strings.TrimPrefix(answer, "4"), err
}

// A webSocket is a client's, with a deadline.
type webSocket struct{ conn *websocket.Conn }

func (c *client) webSocket(query string) (*webSocket, error) {
	d := websocket.Dialer{Jar: c.jar, NetDialContext: c.dial, HandshakeTimeout: patience}
	conn, resp, err := d.Dial("ws://"+c.base+query, nil)
	if err != nil && resp != nil {
		err = fmt.Errorf("%w: %s", err, resp.Status)
	}
	if err != nil {
		return nil, err
	}
	conn.SetReadDeadline(time.Now().Add(patience))
	return &webSocket{conn}, nil
}

// exchange sends a packet and returns the next one that comes.
func (w *webSocket) exchange(packet string) (string, error) {
	if err := w.conn.WriteMessage(websocket.TextMessage, []byte(packet)); err != nil {
		return "", err
	}
	return w.read()
}

func (w *webSocket) read() (string, error) {
	_, data, err := w.conn.ReadMessage()
	return string(data), err
}

var sidIn = regexp.MustCompile(`"sid":"([^"]+)"`)

func sid(open string) string {
	if m := sidIn.FindStringSubmatch(open); m != nil {
		return m[1]
	}
	return "none"
}

// poll keeps a session over long-polling for a while, and returns the names
// of the nodes that answered.
func (c *client) poll() (nodes []string, err error) {
	open, err := c.ask("GET", "polling", "")
	if err != nil {
		return nil, err
	}
	query := "polling&sid=" + sid(open)
	for range 4 {
		name, err := c.exchange(query, "who")
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, name)
	}
	large := strings.Repeat("x", 200_000)
	if got, err := c.exchange(query, large); err != nil || got != fmt.Sprint(len(large)) {
		return nil, fmt.Errorf("a POST of %d bytes: %q, %w", len(large), got, err)
	}
	// A poll that waits is answered at once when there is something, whatever the proxy would rather collect.
	type answer struct {
		body string
		err  error
	}
	waiting := make(chan answer, 1)
	go func() { // ends with the answer; awaited below
		body, err := c.ask("GET", query, "")
		waiting <- answer{body, err}
	}()
	time.Sleep(50 * time.Millisecond) // for the poll to be there, mostly; it passes either way
	if _, err := c.ask("POST", query, "4who"); err != nil {
		return nil, err
	}
	a := <-waiting
	return append(nodes, strings.TrimPrefix(a.body, "4")), a.err
}

// upgrade begins with polling and moves to WebSocket.
func (c *client) upgrade() (nodes []string, err error) {
	open, err := c.ask("GET", "polling", "")
	if err != nil {
		return nil, err
	}
	name, err := c.exchange("polling&sid="+sid(open), "who")
	if err != nil {
		return nil, err
	}
	w, err := c.webSocket("websocket&sid=" + sid(open))
	if err != nil {
		return nil, err
	}
	defer w.conn.Close()
	if got, err := w.exchange("2probe"); err != nil || got != "3probe" {
		return nil, fmt.Errorf("probe: %q, %w", got, err)
	}
	if err := w.conn.WriteMessage(websocket.TextMessage, []byte("5")); err != nil {
		return nil, err
	}
	after, err := w.exchange("4who")
	return []string{name, strings.TrimPrefix(after, "4")}, err
}

// talk uses WebSocket from the beginning.
func (c *client) talk() (nodes []string, err error) {
	w, err := c.webSocket("websocket")
	if err != nil {
		return nil, err
	}
	defer w.conn.Close()
	if open, err := w.read(); err != nil || sid(open) == "none" {
		return nil, fmt.Errorf("handshake: %q, %w", open, err)
	}
	for range 3 {
		name, err := w.exchange("4who")
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, strings.TrimPrefix(name, "4"))
	}
	large := strings.Repeat("x", 200_000)
	if got, err := w.exchange("4" + large); err != nil || got != fmt.Sprint("4", len(large)) {
		return nil, fmt.Errorf("a message of %d bytes: %q, %w", len(large), got, err)
	}
	return nodes, nil
}
