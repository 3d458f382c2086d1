package event_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/siogo/sio/socketio/event"
	"github.com/siogo/sio/socketio/sioparser"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// loop is a socket, and a namespace of one, whose packets come straight back to
// its own handlers. It remembers the last wire forms.
type loop struct {
	handlers    map[string][]event.Handler[*loop]
	options     event.Options
	ctx         context.Context
	sent, reply string
}

func newLoop() *loop {
	return &loop{handlers: map[string][]event.Handler[*loop]{}, ctx: context.Background()}
}

var parser = sioparser.JSON(nil)

func (l *loop) Context() context.Context { return l.ctx }

func (l *loop) Register(name string, h event.Handler[*loop], o event.Options) func() {
	l.options = o
	l.handlers[name] = append(l.handlers[name], h)
	return func() { delete(l.handlers, name) }
}

type incoming struct {
	*loop
	args   event.Args
	answer *event.Args
}

func (in *incoming) Arguments() event.Args { return in.args }

func (in *incoming) Reply(args ...any) (err error) {
	if in.answer == nil {
		in.answer = new(event.Args)
		*in.answer, err = parser.EncodeArgs("", args...)
		in.reply = string(in.answer.Raw())
	}
	return err
}

func (l *loop) Call(ctx context.Context, name string, args ...any) (event.Args, error) {
	encoded, err := parser.EncodeArgs(name, args...)
	if err != nil {
		return event.Args{}, err
	}
	l.sent = string(encoded.Raw())
	in := &incoming{loop: l, args: encoded.Shift()}
	for _, h := range l.handlers[name] {
		if err := h(ctx, l, in); err != nil {
			e := (*event.Error)(nil)
			if !errors.As(err, &e) {
				e = &event.Error{Code: event.CodeInternal}
			}
			if f, ok := l.options.Convention.Failure(e); ok {
				in.Reply(f...)
			}
		}
	}
	if in.answer == nil {
		return event.Args{}, event.ErrAckTimeout
	}
	return *in.answer, nil
}

func (l *loop) Emit(name string, args ...any) error {
	_, err := l.Call(l.ctx, name, args...)
	if err == event.ErrAckTimeout {
		err = nil
	}
	return err
}

func (l *loop) Send(_ context.Context, name string, args ...any) error { return l.Emit(name, args...) }

func (l *loop) Each(ctx context.Context, name string, args ...any) iter.Seq[event.Answer] {
	return func(yield func(event.Answer) bool) {
		answer, err := l.Call(ctx, name, args...)
		_ = yield(event.Answer{SocketID: "me", Args: answer, Err: err}) && yield(event.Answer{SocketID: "other", Err: event.ErrAckTimeout})
	}
}

var (
	_ event.Registrar[*loop] = (*loop)(nil)
	_ event.Peer             = (*loop)(nil)
	_ event.Audience         = (*loop)(nil)
	_ event.Sender           = (*loop)(nil)
)

type point struct{ X, Y int }

func (p point) Validate() error {
	if p.X < 0 {
		return errors.New("x is negative")
	}
	if p.Y < 0 {
		return &event.Error{Code: "bad_y", Message: "y is negative"}
	}
	return nil
}

// optional is one or two arguments.
type optional struct {
	Name string
	Age  int
}

func (o optional) MarshalArgs() ([]any, error) {
	if o.Age == 0 {
		return []any{o.Name}, nil
	}
	return []any{o.Name, o.Age}, nil
}

func (o *optional) UnmarshalArgs(args event.Args) error {
	if args.Len() == 0 {
		return errors.New("no name")
	}
	return args.Decode(&o.Name, &o.Age)
}

type upper struct{}

func (upper) Marshal(s string) ([]byte, error)       { return json.Marshal(strings.ToUpper(s)) }
func (upper) Unmarshal(data []byte, s *string) error { return json.Unmarshal(data, s) }

var (
	text    = event.New[string]("text")
	nothing = event.New[struct{}]("nothing")
	where   = event.New[point]("where")
	person  = event.New[optional]("person")
	move    = event.New2[float64, float64]("move")
	three   = event.New3[int, struct{}, []string]("three")
	shout   = event.New[string]("shout", event.WithCodec[string](upper{}))
	inline  = event.New[event.Base64]("inline")
)

func TestEventsOnTheWire(t *testing.T) {
	var got any
	l := newLoop()
	keep := func(v any) error { got = v; return nil }
	event.On(l, text, func(_ context.Context, _ *loop, s string) error { return keep(s) })
	event.On(l, nothing, func(_ context.Context, _ *loop, s struct{}) error { return keep(s) })
	event.On(l, where, func(_ context.Context, _ *loop, p point) error { return keep(p) })
	event.On(l, person, func(_ context.Context, _ *loop, o optional) error { return keep(o) })
	event.On2(l, move, func(_ context.Context, _ *loop, x, y float64) error { return keep([]float64{x, y}) })
	event.On3(l, three, func(_ context.Context, _ *loop, a int, _ struct{}, c []string) error { return keep(fmt.Sprint(a, c)) })
	event.On(l, shout, func(_ context.Context, _ *loop, s string) error { return keep(s) })
	event.On(l, inline, func(_ context.Context, _ *loop, b event.Base64) error { return keep(string(b)) })

	for _, tt := range []struct {
		name string
		emit func() error
		wire string
		want any
	}{
		{"one value", func() error { return text.Emit(l, "hi") }, `["text","hi"]`, "hi"},
		{"no value", func() error { return nothing.Emit(l, struct{}{}) }, `["nothing"]`, struct{}{}},
		{"a struct", func() error { return where.Emit(l, point{1, 2}) }, `["where",{"X":1,"Y":2}]`, point{1, 2}},
		{"two values", func() error { return move.Emit(l, 1.5, -2) }, `["move",1.5,-2]`, []float64{1.5, -2}},
		{"three, one of them nothing", func() error { return three.Emit(l, 7, struct{}{}, []string{"a"}) }, `["three",7,["a"]]`, "7 [a]"},
		{"as many as the type likes", func() error { return person.Emit(l, optional{"Ann", 0}) }, `["person","Ann"]`, optional{"Ann", 0}},
		{"and one more", func() error { return person.Emit(l, optional{"Ann", 9}) }, `["person","Ann",9]`, optional{"Ann", 9}},
		{"through a codec", func() error { return shout.Emit(l, "hey") }, `["shout","HEY"]`, "HEY"},
		{"base64 on demand", func() error { return inline.Emit(l, event.Base64{1, 2, 3}) }, `["inline","AQID"]`, "\x01\x02\x03"},
		{"send", func() error { return text.Send(t.Context(), l, "a") }, `["text","a"]`, "a"},
		{"send two", func() error { return move.Send(t.Context(), l, 1, 2) }, `["move",1,2]`, []float64{1, 2}},
		{"send three", func() error { return three.Send(t.Context(), l, 1, struct{}{}, nil) }, `["three",1,null]`, "1 []"},
	} {
		got = nil
		if err := tt.emit(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if l.sent != tt.wire || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: sent %s and handled %#v, want %s and %#v", tt.name, l.sent, got, tt.wire, tt.want)
		}
		if l.reply != "[]" {
			t.Errorf("%s: answered %s, want []", tt.name, l.reply)
		}
	}
}

func TestBinaryIsAnAttachment(t *testing.T) {
	frame := event.New[[]byte]("frame")
	l := newLoop()
	var got []byte
	event.On(l, frame, func(_ context.Context, _ *loop, b []byte) error { got = b; return nil })
	if err := frame.Emit(l, []byte("\x00\xff")); err != nil {
		t.Fatal(err)
	}
	if want := `["frame",{"_placeholder":true,"num":0}]`; l.sent != want || string(got) != "\x00\xff" {
		t.Errorf("sent %s and received %q, want %s", l.sent, got, want)
	}
}

func TestRefusedPayloads(t *testing.T) {
	l := newLoop()
	called := false
	event.On(l, where, func(context.Context, *loop, point) error { called = true; return nil })
	event.On(l, person, func(context.Context, *loop, optional) error { called = true; return nil })
	for _, tt := range []struct {
		name  string
		event string
		arg   any
		want  string
	}{
		{"wrong type", "where", "here", `[{"error":{"code":"bad_request","message":"the arguments do not fit the event"}}]`},
		{"not valid", "where", point{X: -1}, `[{"error":{"code":"bad_request","message":"x is negative"}}]`},
		{"not valid, own code", "where", point{Y: -1}, `[{"error":{"code":"bad_y","message":"y is negative"}}]`},
		{"own decoding", "person", 7, `[{"error":{"code":"bad_request","message":"the arguments do not fit the event"}}]`},
	} {
		l.Call(t.Context(), tt.event, tt.arg)
		if l.reply != tt.want || called {
			t.Errorf("%s: answered %s, want %s; handler called: %v", tt.name, l.reply, tt.want, called)
		}
	}
}

type item struct {
	ID int `json:"id"`
}

func TestConventions(t *testing.T) {
	fail := &event.Error{Code: "gone", Message: "no such item", Data: item{3}}
	for _, tt := range []struct {
		convention       event.Convention
		success, failure string
	}{
		{event.Plain, `[{"id":7}]`, `[{"error":{"code":"gone","message":"no such item","data":{"id":3}}}]`},
		{event.ErrorFirst, `[null,{"id":7}]`, `[{"code":"gone","message":"no such item","data":{"id":3}}]`},
		{event.Raw, `[{"id":7}]`, ``},
	} {
		t.Run(tt.convention.String(), func(t *testing.T) {
			get := event.NewRPC[int, item]("get", tt.convention)
			l := newLoop()
			event.Handle(l, get, func(_ context.Context, _ *loop, id int) (item, error) {
				if id == 0 {
					return item{}, fail
				}
				return item{id}, nil
			})
			got, err := get.Call(t.Context(), l, 7)
			if err != nil || got.ID != 7 || l.reply != tt.success {
				t.Errorf("answered %s: %v, %v; want %s", l.reply, got, err, tt.success)
			}
			l.reply = ""
			_, err = get.Call(t.Context(), l, 0)
			if l.reply != tt.failure {
				t.Errorf("answered %s, want %s", l.reply, tt.failure)
			}
			e := (*event.Error)(nil)
			if tt.failure == "" {
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want a timeout", err)
				}
				return
			}
			var data item
			if !errors.As(err, &e) || e.Code != "gone" || e.Message != "no such item" || e.DecodeData(&data) != nil || data.ID != 3 {
				t.Errorf("got %#v, want %#v", err, fail)
			}
		})
	}
}

func TestPlainTellsErrorsFromResults(t *testing.T) {
	for _, tt := range []struct{ answer, want string }{
		{`[]`, ""},
		{`[null]`, ""},
		{`["error"]`, ""},
		{`[{"error":null}]`, ""},
		{`[{"error":7}]`, ""},
		{`[{"error":"no","id":1}]`, ""},
		{`[{"errors":{"code":"x"}}]`, ""},
		{`[{"error":"no"}]`, "no"},
		{`[{ "error" : {"message":"no"}}]`, "no"},
		{`[{"error":{"code":"c","message":"no","more":1}}]`, "c: no"},
		{`[{"error":{"other":1}}]`, "the peer reported an error"},
	} {
		args, err := sioparser.NewArgs([]byte(tt.answer))
		if err != nil {
			t.Fatal(err)
		}
		_, err = event.Plain.Split(args)
		if got := fmt.Sprint(err); got != tt.want && !(err == nil && tt.want == "") {
			t.Errorf("%s: %v, want %q", tt.answer, err, tt.want)
		}
	}
}

func TestEach(t *testing.T) {
	poll := event.NewRPC[struct{}, int]("poll")
	l := newLoop()
	event.Handle(l, poll, func(context.Context, *loop, struct{}) (int, error) { return 5, nil })
	var got []string
	for r := range poll.Each(t.Context(), l, struct{}{}) {
		got = append(got, fmt.Sprint(r.SocketID, r.Value, r.Err))
	}
	if want := []string{"me5 <nil>", "other0 socketio: no acknowledgement in time"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for range poll.Each(t.Context(), l, struct{}{}) {
		break
	}
}

func TestHandlerOptions(t *testing.T) {
	l := newLoop()
	event.On(l, text, func(context.Context, *loop, string) error { return nil },
		event.Timeout(time.Second), event.Limit(60, 10), event.Concurrent(), event.Ordered())
	if want := (event.Options{Timeout: time.Second, PerSecond: 60, Burst: 10, Concurrent: true, Ordered: true}); l.options != want {
		t.Errorf("got %+v, want %+v", l.options, want)
	}
}

func TestSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoop()
		ctx, disconnect := context.WithCancelCause(context.Background())
		l.ctx = ctx
		sub := event.Subscribe(l, text, 2)
		text.Emit(l, "a")
		text.Emit(l, "b")
		blocked := true
		go func() {
			text.Emit(l, "c") // waits for room
			blocked = false
		}()
		synctest.Wait()
		if !blocked {
			t.Error("a third event went into a subscription of two")
		}
		for _, want := range []string{"a", "b", "c"} {
			if got, err := sub.Next(t.Context()); got != want || err != nil {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		}
		synctest.Wait() // the third emitter is done
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := sub.Next(short); err != context.DeadlineExceeded {
			t.Errorf("got %v, want the end of the context", err)
		}
		text.Emit(l, "d")
		disconnect(event.ErrDisconnected)
		var got []string
		for s, err := range sub.All(t.Context()) {
			got = append(got, fmt.Sprint(s, err))
		}
		if want := []string{"d<nil>", "socketio: not connected"}; !reflect.DeepEqual(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		sub.Close()
		sub.Close()
		if len(l.handlers) != 0 {
			t.Error("still registered")
		}
	})
}

func TestClosedSubscriptionEndsItsReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoop()
		sub := event.Subscribe(l, text, 0)
		go func() {
			time.Sleep(time.Second)
			sub.Close()
		}()
		for s, err := range sub.All(t.Context()) {
			t.Errorf("got %q, %v", s, err)
		}
		if _, err := sub.Next(t.Context()); err != event.ErrUnsubscribed {
			t.Errorf("got %v", err)
		}
	})
}

func TestContracts(t *testing.T) {
	before := len(event.Contracts())
	event.New[struct{}]("one")
	event.New2[int, []byte]("two")
	event.New3[item, string, bool]("three")
	event.NewRPC[int, item]("four", event.ErrorFirst)
	got := event.Contracts()[before:]
	want := []string{"one[struct {}]", "two[int []uint8]", "three[event_test.item string bool]", "four[int] -> event_test.item"}
	if text := fmt.Sprint(got); text != fmt.Sprint(want) || got[3].Convention != event.ErrorFirst || got[0].Result != nil {
		t.Errorf("got %v, want %v", got, want)
	}
	got[0].Name = "changed" // a copy
	if event.Contracts()[before].Name != "one" {
		t.Error("the list is that of the package")
	}
}

func TestReservedNames(t *testing.T) {
	for _, name := range []string{"", "connect", "disconnecting"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("New(%q) did not panic", name)
				}
			}()
			event.New[int](name)
		}()
	}
}

func TestErrors(t *testing.T) {
	if !errors.Is(event.ErrAckTimeout, context.DeadlineExceeded) {
		t.Error("ErrAckTimeout is no context.DeadlineExceeded")
	}
	e := &event.Error{Message: "m", Data: item{4}}
	var i item
	if err := e.DecodeData(&i); err != nil || i.ID != 4 || e.Error() != "m" {
		t.Error(err, i, e)
	}
	if err := (&event.Error{}).DecodeData(&i); err != nil {
		t.Error(err)
	}
}

func ExampleNewRPC() {
	type Sum struct{ A, B int }
	add := event.NewRPC[Sum, int]("add")

	var s = newLoop() // a server, a namespace, a socket or a client
	event.Handle(s, add, func(ctx context.Context, _ *loop, in Sum) (int, error) {
		return in.A + in.B, nil
	})

	n, err := add.Call(context.Background(), s, Sum{1, 2})
	fmt.Println(n, err)
	// Output: 3 <nil>
}
