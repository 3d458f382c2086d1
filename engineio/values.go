package engineio

import (
	"context"
	"net"
	"net/http"
	"reflect"
	"sync/atomic"

	"github.com/siogo/sio/internal/intercept"
)

// A session keeps the values of its handshake's context, and not the context:
// the ones that net/http makes for a connection and a request take some 400
// bytes, for the two values that it puts there itself. Where these are all
// there is, sessions share one serverValues.

// serverValues are what net/http puts into the context of each request.
type serverValues struct {
	context.Context // never cancelled, without values
	server          *http.Server
	local           net.Addr
}

func (v *serverValues) Value(key any) any {
	switch key {
	case http.ServerContextKey:
		return v.server
	case http.LocalAddrContextKey:
		return v.local
	}
	return nil
}

// values makes contexts with the values of others, and none of their ends.
type values struct{ last atomic.Pointer[serverValues] }

func (vs *values) of(ctx context.Context) context.Context {
	if base := baseOf(ctx); base != nil {
		return base
	}
	if !isBare(ctx) {
		return context.WithoutCancel(ctx)
	}
	server, _ := ctx.Value(http.ServerContextKey).(*http.Server)
	local, _ := ctx.Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if server == nil || local == nil {
		return context.WithoutCancel(ctx)
	}
	if v := vs.last.Load(); v != nil && v.server == server && sameAddr(v.local.(*net.TCPAddr), local) {
		return v
	}
	v := &serverValues{context.Background(), server, local}
	vs.last.Store(v)
	return v
}

func sameAddr(a, b *net.TCPAddr) bool {
	return a.Port == b.Port && a.Zone == b.Zone && a.IP.Equal(b.IP)
}

// isBare reports whether ctx is made as net/http makes the context of a request
// over HTTP/1 when nobody adds anything: two values upon the background, then
// the ends of the connection and of the request. It only looks at types; if a
// version of Go makes contexts in another way, it reports false.
func isBare(ctx context.Context) bool {
	for i, want := range bareTypes {
		if reflect.TypeOf(ctx) != want {
			return false
		}
		if i == len(bareTypes)-1 {
			break
		}
		parent := reflect.ValueOf(ctx).Elem().Field(0)
		if parent.Type() != contextType {
			return false
		}
		ctx, _ = parent.Interface().(context.Context)
	}
	return true
}

// baseOf returns the base of ctx, if nothing was added to the context that a
// Listener gives to a request: one that ends, upon the base. Like isBare, it
// looks at types.
func baseOf(ctx context.Context) *intercept.Base {
	if reflect.TypeOf(ctx) != bareTypes[0] {
		return nil
	}
	parent := reflect.ValueOf(ctx).Elem().Field(0)
	if parent.Type() != contextType {
		return nil
	}
	base, _ := parent.Interface().(*intercept.Base)
	return base
}

var (
	contextType = reflect.TypeFor[context.Context]()
	bareTypes   = func() [5]reflect.Type {
		withValue := context.WithValue(context.Background(), http.ServerContextKey, 0)
		withCancel, cancel := context.WithCancel(context.Background())
		cancel()
		cancelled, value := reflect.TypeOf(withCancel), reflect.TypeOf(withValue)
		return [...]reflect.Type{cancelled, cancelled, value, value, reflect.TypeOf(context.Background())}
	}()
)
