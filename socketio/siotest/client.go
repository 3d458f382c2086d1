package siotest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/internal/mailbox"
	"github.com/siogo/sio/socketio/internal/peer"
	"github.com/siogo/sio/socketio/sioparser"
)

// Options configures a [Client]. Nil means the defaults.
type Options struct {
	Auth   any              // the auth object; nil: none
	Query  url.Values       // added to the query of the handshake
	Header http.Header      // of the handshake
	Path   string           // empty: "/socket.io/"
	Parser sioparser.Parser // nil: sioparser.JSON(nil)

	// Session makes the client come back to the socket of another client: what
	// that returned from Session. Nil means a new socket.
	Session *Session

	// Setup is called before the client joins its namespace, to add handlers
	// for what comes at once: a recovered client gets what it has missed.
	Setup func(c *Client)
}

// A Session is what a client knows about itself when it can be recovered.
type Session struct {
	PID    string // the secret token of the session
	Offset string // of the last event that was received; empty: of none
}

// A Client is one socket of one WebSocket connection. It does not reconnect. It
// is a Peer of package event, and a Registrar. Its handlers run one at a time;
// one that waits in Call gives its turn away.
//
// All methods may be called from any goroutine.
type Client struct {
	id        string
	recovered bool
	namespace string
	conn      *peer.Conn
	parser    sioparser.Parser
	box       mailbox.Mailbox
	running   mailbox.Group
	ctx       context.Context // ends with the connection or the namespace
	cancel    context.CancelCauseFunc
	reading   chan struct{} // closed when the reader has ended

	mu       sync.Mutex
	session  Session // PID is empty if there is none
	handlers map[string][]*handler
	acks     map[uint64]chan event.Args
	lastID   uint64
}

type handler struct {
	fn      event.Handler[*Client]
	options event.Options
}

// ackTimeout is how long Call waits with a context that has no deadline.
const ackTimeout = 20 * time.Second

func connect(ctx context.Context, t TB, namespace string, o *Options, dial func(context.Context) (net.Conn, error)) (*Client, error) {
	if o == nil {
		o = &Options{}
	}
	nc, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	query := url.Values{"EIO": {"4"}, "transport": {"websocket"}}
	for k, v := range o.Query {
		query[k] = v
	}
	path := o.Path
	if path == "" {
		path = "/socket.io/"
	}
	conn, err := peer.Dial(nc, path+"?"+query.Encode(), o.Header)
	if err != nil {
		return nil, err
	}
	c := &Client{
		namespace: "/" + strings.TrimPrefix(namespace, "/"),
		conn:      conn,
		parser:    o.Parser,
		reading:   make(chan struct{}),
		handlers:  make(map[string][]*handler),
		acks:      make(map[uint64]chan event.Args),
	}
	if c.parser == nil {
		c.parser = sioparser.JSON(nil)
	}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.box.Init(1024, roomless{}, &c.running)
	if o.Setup != nil {
		o.Setup(c)
	}
	decoder, err := c.handshake(o)
	if err != nil {
		conn.Abort()
		return nil, err
	}
	go c.read(decoder) // ends with the connection; Close waits for it
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error("siotest: closing a client: ", err)
		}
	})
	return c, nil
}

type roomless struct{}

func (roomless) Room() {}

// auth returns the auth object with what a client says that comes back.
func (o *Options) auth() (any, error) {
	if o.Session == nil {
		return o.Auth, nil
	}
	members := make(map[string]any)
	if o.Auth != nil {
		text, err := json.Marshal(o.Auth)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &members); err != nil {
			return nil, err
		}
	}
	members["pid"] = o.Session.PID
	if o.Session.Offset != "" {
		members["offset"] = o.Session.Offset
	}
	return members, nil
}

// handshake joins the namespace.
func (c *Client) handshake(o *Options) (sioparser.Decoder, error) {
	auth, err := o.auth()
	if err != nil {
		return nil, err
	}
	if m, err := c.conn.Read(); err != nil || len(m.Data) == 0 || m.Data[0] != '0' {
		return nil, fmt.Errorf("expected an open packet, got %.40q (%w)", m.Data, err)
	}
	var args []any
	if auth != nil {
		args = append(args, auth)
	}
	if err := c.write(sioparser.Header{Type: sioparser.Connect}, "", args); err != nil {
		return nil, err
	}
	decoder := c.parser.NewDecoder(&sioparser.Limits{Attachments: 1000})
	for {
		p, ok, err := c.next(decoder)
		switch {
		case err != nil:
			return nil, err
		case !ok || p.Namespace != c.namespace:
		case p.Type == sioparser.ConnectError:
			refused := &event.Error{}
			var details struct {
				Message string          `json:"message"`
				Code    string          `json:"code"`
				Data    json.RawMessage `json:"data"`
			}
			if err := p.Args.Decode(&details); err != nil {
				return nil, err
			}
			refused.Code, refused.Message = details.Code, details.Message
			if details.Data != nil {
				refused.Data = details.Data
			}
			return nil, refused
		case p.Type == sioparser.Connect:
			var welcome struct {
				SID    string `json:"sid"`
				PID    string `json:"pid"`
				Offset string `json:"offset"`
			}
			err := p.Args.Decode(&welcome)
			c.id = welcome.SID
			c.session = Session{welcome.PID, welcome.Offset}
			if o.Session != nil && o.Session.PID == welcome.PID && welcome.PID != "" {
				c.recovered = true
				c.session.Offset = o.Session.Offset
			}
			return decoder, err
		}
	}
}

// next reads one Engine.IO packet and returns the packet that it completes, if
// any. Pings are answered.
func (c *Client) next(decoder sioparser.Decoder) (p sioparser.Packet, ok bool, err error) {
	m, err := c.conn.Read()
	switch {
	case err != nil:
		return p, false, err
	case m.Binary:
		return decoder.Add(m.Data, true)
	case len(m.Data) == 0:
		return p, false, errors.New("an empty frame")
	}
	switch m.Data[0] {
	case '1':
		return p, false, &peer.CloseError{Code: 1000}
	case '2':
		c.conn.WriteText("3" + string(m.Data[1:]))
	case '4':
		return decoder.Add(m.Data[1:], false)
	}
	return p, false, nil
}

func (c *Client) write(h sioparser.Header, name string, args []any) error {
	h.Namespace = c.namespace
	frame, attachments, err := c.parser.AppendPacket([]byte{'4'}, h, name, args...)
	if err != nil {
		return err
	}
	if c.parser.Binary() {
		frame = frame[1:]
	}
	ms := []peer.Message{{Data: frame, Binary: c.parser.Binary()}}
	for _, a := range attachments {
		ms = append(ms, peer.Message{Data: a, Binary: true})
	}
	c.conn.Write(ms...)
	return nil
}

// read handles what arrives until the connection ends.
func (c *Client) read(decoder sioparser.Decoder) {
	defer close(c.reading)
	for {
		p, ok, err := c.next(decoder)
		if err != nil {
			c.end(fmt.Errorf("%w: %w", event.ErrDisconnected, err))
			return
		}
		if !ok || p.Namespace != c.namespace {
			continue
		}
		switch p.Type {
		case sioparser.Event:
			e := &received{c: c, name: string(p.Name()), args: c.cutOffset(&p).Clone(), id: p.ID, hasID: p.HasID}
			c.box.Put(&e.turn, e, mailbox.Block)
		case sioparser.Ack:
			if answer := c.forget(p.ID); answer != nil {
				answer <- p.Args.Clone()
			}
		case sioparser.Disconnect:
			c.end(fmt.Errorf("%w: by the server", event.ErrDisconnected))
		}
	}
}

// cutOffset returns the arguments of an event without the offset that the
// server has put behind them, and remembers it. In a session that can be
// recovered, a string at the end of an event without acknowledgement is one,
// be it the name.
func (c *Client) cutOffset(p *sioparser.Packet) event.Args {
	args := p.Args.Shift()
	last := args.Len() - 1
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session.PID == "" || p.HasID || last < 0 {
		return args
	}
	var offset string
	if raw := args.At(last); len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &offset) != nil {
		return args
	}
	c.session.Offset = offset
	return args.First(last)
}

func (c *Client) end(why error) {
	c.cancel(why)
	c.box.Close(nil, nil, false)
}

// forget takes the waiter for an acknowledgement out of the table.
func (c *Client) forget(id uint64) chan event.Args {
	c.mu.Lock()
	defer c.mu.Unlock()
	answer := c.acks[id]
	delete(c.acks, id)
	return answer
}

// ID returns the id of the client's socket on the server.
func (c *Client) ID() string { return c.id }

// Recovered reports whether the client has come back to the socket of
// Options.Session.
func (c *Client) Recovered() bool { return c.recovered }

// Session returns what another client needs to come back to this socket, nil if
// the server does not recover connections. It is final after Abort, Vanish or
// Close.
func (c *Client) Session() *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session.PID == "" {
		return nil
	}
	s := c.session
	return &s
}

// Connected reports whether the client is in its namespace.
func (c *Client) Connected() bool { return c.ctx.Err() == nil }

// Context ends when the client is disconnected; the cause matches
// event.ErrDisconnected.
func (c *Client) Context() context.Context { return c.ctx }

// Emit sends an event.
func (c *Client) Emit(name string, args ...any) error {
	if err := event.CheckName(name); err != nil {
		return err
	}
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	return c.write(sioparser.Header{Type: sioparser.Event}, name, args)
}

// Send is Emit: the queue of the client has no bound.
func (c *Client) Send(_ context.Context, name string, args ...any) error {
	return c.Emit(name, args...)
}

// Call sends an event and waits for its acknowledgement, for 20s if ctx has no
// deadline.
func (c *Client) Call(ctx context.Context, name string, args ...any) (event.Args, error) {
	if err := event.CheckName(name); err != nil {
		return event.Args{}, err
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, ackTimeout)
		defer cancel()
	}
	answer := make(chan event.Args, 1)
	c.mu.Lock()
	c.lastID++
	id := c.lastID
	c.acks[id] = answer
	c.mu.Unlock()
	defer c.forget(id)
	if err := c.write(sioparser.Header{Type: sioparser.Event, ID: id, HasID: true}, name, args); err != nil {
		return event.Args{}, err
	}
	if e, ok := ctx.Value(receivedKey{}).(*received); ok && e.c == c {
		e.turn.Release()
		defer e.turn.Acquire()
	}
	select {
	case args := <-answer:
		return args, nil
	case <-c.ctx.Done():
		return event.Args{}, context.Cause(c.ctx)
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return event.Args{}, event.ErrAckTimeout
		}
		return event.Args{}, context.Cause(ctx)
	}
}

// Register adds a handler, for event.On and its kind.
func (c *Client) Register(name string, fn event.Handler[*Client], o event.Options) (remove func()) {
	h := &handler{fn, o}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handlers[name] = append(c.handlers[name], h)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		var rest []*handler
		for _, other := range c.handlers[name] {
			if other != h {
				rest = append(rest, other)
			}
		}
		c.handlers[name] = rest
	}
}

// On adds a handler for an event whose arguments it decodes itself. What it
// returns is the acknowledgement, if one was asked for and it is not nil.
func (c *Client) On(name string, fn func(args event.Args) []any) (remove func()) {
	return c.Register(name, func(_ context.Context, _ *Client, in event.Incoming) error {
		if answer := fn(in.Arguments()); answer != nil {
			return in.Reply(answer...)
		}
		return nil
	}, event.Options{})
}

// Leave leaves the namespace; the connection stays open.
func (c *Client) Leave() error {
	err := c.write(sioparser.Header{Type: sioparser.Disconnect}, "", nil)
	c.end(fmt.Errorf("%w: left", event.ErrDisconnected))
	return err
}

// Abort drops the connection without a word, as a crash would.
func (c *Client) Abort() {
	c.conn.Abort()
	<-c.reading
}

// Vanish makes the client fall silent, as when its network goes away: it reads
// nothing more and answers nothing, but the connection stays open as far as the
// server can see. Handlers of events that were received before still run. Close
// closes the connection.
func (c *Client) Vanish() {
	c.conn.StopReading()
	<-c.reading
}

// Wait returns when no handler runs or waits to run.
func (c *Client) Wait() { _ = c.running.Wait(context.Background()) }

// Close closes the connection, and returns when all handlers have ended. It may
// be called more than once.
func (c *Client) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := c.conn.Close(ctx)
	<-c.reading
	return errors.Join(err, c.running.Wait(context.Background()))
}

// received is one event: a task of the mailbox, and the context of its
// handlers.
type received struct {
	c       *Client
	name    string
	args    event.Args
	id      uint64
	hasID   bool
	replied bool
	turn    mailbox.Turn
}

type receivedKey struct{}

func (e *received) Run(*mailbox.Turn) {
	e.c.mu.Lock()
	handlers := e.c.handlers[e.name]
	e.c.mu.Unlock()
	ctx := context.WithValue(e.c.ctx, receivedKey{}, e)
	for _, h := range handlers {
		if err := h.fn(ctx, e.c, e); err != nil {
			failure := &event.Error{Code: event.CodeInternal, Message: "internal error"}
			errors.As(err, &failure)
			if args, ok := h.options.Convention.Failure(failure); ok {
				_ = e.Reply(args...) // the connection may have ended
			}
		}
	}
}

// Arguments implements event.Incoming.
func (e *received) Arguments() event.Args { return e.args }

// Reply implements event.Incoming.
func (e *received) Reply(args ...any) error {
	if !e.hasID || e.replied {
		return nil
	}
	e.replied = true
	return e.c.write(sioparser.Header{Type: sioparser.Ack, ID: e.id, HasID: true}, "", args)
}
