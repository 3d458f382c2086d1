package sioadapter

import (
	"slices"
	"time"

	"github.com/siogo/sio/socketio/sioparser"
)

// eventLog keeps the last packets of a namespace. They are numbered without
// gaps, so that each is found by its number.
type eventLog struct {
	entries []entry // the first of them are dead: see head
	head    int
	last    uint64 // number of the newest packet, kept or not
	bytes   int
}

// entry is a packet and whom it is for.
type entry struct {
	seq           uint64
	packet        *Packet
	rooms, except []string
	only          *session // for it alone
	flags         Flags
	at            time.Duration
	size          int
}

// overhead is what an entry takes beside its payload, or what one element of a
// queue does.
const overhead = 200

// isFor reports whether a session that is in these rooms gets the packet.
func (e *entry) isFor(s *session, rooms map[string]bool) bool {
	if e.only != nil {
		return e.only == s
	}
	in := func(room string) bool { return rooms[room] }
	return (len(e.rooms) == 0 || slices.ContainsFunc(e.rooms, in)) && !slices.ContainsFunc(e.except, in)
}

func (l *eventLog) len() int { return len(l.entries) - l.head }

// first returns the number of the oldest packet that is kept.
func (l *eventLog) first() uint64 { return l.last + 1 - uint64(l.len()) }

// has reports whether all packets from seq on are kept.
func (l *eventLog) has(seq uint64) bool { return seq >= l.first() }

// at returns a packet that is kept.
func (l *eventLog) at(seq uint64) *entry { return &l.entries[l.head+int(seq-l.first())] }

func (l *eventLog) append(e entry) {
	l.last++
	e.seq = l.last
	e.size = overhead + sizeOf(e.packet.Args)
	for _, r := range e.rooms {
		e.size += len(r)
	}
	for _, r := range e.except {
		e.size += len(r)
	}
	l.bytes += e.size
	if l.head > 32 && l.head > len(l.entries)/2 && len(l.entries) == cap(l.entries) {
		n := copy(l.entries, l.entries[l.head:])
		clear(l.entries[n:])
		l.entries, l.head = l.entries[:n], 0
	}
	l.entries = append(l.entries, e)
}

// trim forgets the oldest packets: those over the bounds, and those before a
// time.
func (l *eventLog) trim(packets, bytes int, before time.Duration) {
	for l.len() > 0 && (l.len() > packets || l.bytes > bytes || l.entries[l.head].at <= before) {
		l.bytes -= l.entries[l.head].size
		l.entries[l.head] = entry{}
		l.head++
	}
	if l.len() == 0 {
		l.clear()
	}
}

func (l *eventLog) clear() { l.entries, l.head, l.bytes = nil, 0, 0 }

// sizeOf returns the length of the arguments and their attachments.
func sizeOf(a sioparser.Args) int {
	n := 0
	for raw := range a.All() {
		n += len(raw) + 1
	}
	for _, b := range a.Attachments() {
		n += len(b)
	}
	return n
}

// kept returns arguments that nobody else writes to. Their text never is, but
// attachments may be the application's.
func kept(a sioparser.Args) sioparser.Args {
	if len(a.Attachments()) > 0 {
		return a.Clone()
	}
	return a
}
