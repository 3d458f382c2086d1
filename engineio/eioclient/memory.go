package eioclient

import "sync"

// A memory is a set of servers, by origin, that several sessions share.
type memory struct {
	mu      sync.Mutex
	origins map[string]struct{}
}

// upgraded are the servers with which WebSocket is known to work; see
// Options.RememberUpgrade.
var upgraded memory

// maxMemory bounds a memory; a program that talks with more servers remembers
// only some.
const maxMemory = 1000

func (m *memory) has(origin string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.origins[origin]
	return ok
}

func (m *memory) add(origin string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.origins == nil {
		m.origins = make(map[string]struct{})
	}
	if len(m.origins) < maxMemory {
		m.origins[origin] = struct{}{}
	}
}

func (m *memory) forget(origin string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.origins, origin)
}
