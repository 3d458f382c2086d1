package redisadapter

import (
	"sync"

	"github.com/siogo/sio/socketio/sioadapter"
)

// watchRooms returns a factory of adapters of inner that tell of rooms that come
// and go, beside whoever else watches them. inner nil means InMemory.
func watchRooms(inner sioadapter.Factory, created, deleted func(room string)) sioadapter.Factory {
	if inner == nil {
		inner = sioadapter.InMemory
	}
	return sioadapter.FactoryFunc(func(ns sioadapter.Namespace) sioadapter.Adapter {
		w := &watched{Adapter: inner.Open(ns), created: created, deleted: deleted, announced: make(map[string]struct{})}
		w.Watch(sioadapter.RoomEvents{})
		return w
	})
}

// watched is an adapter whose rooms are watched.
type watched struct {
	sioadapter.Adapter
	created, deleted func(room string)

	mu        sync.Mutex
	announced map[string]struct{} // rooms that created was called for last
}

func (w *watched) Watch(e sioadapter.RoomEvents) {
	create, remove := e.Create, e.Delete
	e.Create = func(room string) {
		w.look(room)
		if create != nil {
			create(room)
		}
	}
	e.Delete = func(room string) {
		w.look(room)
		if remove != nil {
			remove(room)
		}
	}
	w.Adapter.Watch(e)
}

// look tells of a room what is the case now. The events of two goroutines may
// come in either order: what counts is whether the room is there.
func (w *watched) look(room string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	is := hasRoom(w.Adapter, room)
	_, was := w.announced[room]
	switch {
	case is && !was:
		w.announced[room] = struct{}{}
		w.created(room)
	case !is && was:
		delete(w.announced, room)
		w.deleted(room)
	}
}

// Break implements what a Cluster does when messages were lost.
func (w *watched) Break() {
	if b, ok := w.Adapter.(interface{ Break() }); ok {
		b.Break()
	}
}
