package redisadapter

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// streamReader reads a stream for all namespaces that use it, entry by entry. A
// lost connection loses no entry; that entries are gone is noticed.
//
// Goroutines: one while there are namespaces. It is started by the first, and
// ends with the last; remove waits for it.
type streamReader struct {
	conn    Conn
	stream  string
	options *StreamsOptions

	mu     sync.Mutex
	links  map[string]*streamLink // by namespace
	busy   map[*streamLink]int    // calls that are going on
	idle   sync.Cond              // busy has become smaller
	state  error                  // why it does not read
	reads  bool
	last   streamID // the last entry that was handed on, while reads is true
	cancel context.CancelFunc
	done   chan struct{} // closed when the goroutine has ended
}

func newStreamReader(conn Conn, stream string, o *StreamsOptions) *streamReader {
	r := &streamReader{conn: conn, stream: stream, options: o, links: make(map[string]*streamLink), busy: make(map[*streamLink]int)}
	r.idle.L = &r.mu
	return r
}

func (r *streamReader) add(l *streamLink) {
	r.mu.Lock()
	r.links[l.namespace] = l
	reads, last := r.reads, r.last
	if r.cancel == nil {
		ctx, cancel := context.WithCancel(context.Background())
		r.cancel, r.done = cancel, make(chan struct{})
		go r.run(ctx, r.done) // ends when remove has taken the last link; it waits
	}
	r.mu.Unlock()
	if reads {
		l.beginAt(last)
		l.reads(nil)
	}
}

// remove ends the calls of l: when it returns, there are none.
func (r *streamReader) remove(l *streamLink) {
	r.mu.Lock()
	if r.links[l.namespace] == l {
		delete(r.links, l.namespace)
	}
	for r.busy[l] > 0 {
		r.idle.Wait()
	}
	var done chan struct{}
	if len(r.links) == 0 && r.cancel != nil {
		r.cancel()
		done, r.cancel = r.done, nil
		r.reads = false
	}
	r.mu.Unlock()
	if done != nil {
		<-done
	}
}

// each calls f for the links of a namespace, or of all.
func (r *streamReader) each(namespace string, f func(*streamLink)) {
	r.mu.Lock()
	var links []*streamLink
	for name, l := range r.links {
		if namespace == "" || name == namespace {
			links = append(links, l)
			r.busy[l]++
		}
	}
	r.mu.Unlock()
	for _, l := range links {
		f(l)
		r.mu.Lock()
		if r.busy[l]--; r.busy[l] == 0 {
			delete(r.busy, l)
		}
		r.idle.Broadcast()
		r.mu.Unlock()
	}
}

func (r *streamReader) run(ctx context.Context, done chan struct{}) {
	defer close(done)
	wait := backoff{max: r.options.MaxRetryInterval}
	c := cursor{}
	for ctx.Err() == nil {
		err := r.read(ctx, &c, &wait)
		if err == nil || ctx.Err() != nil {
			continue
		}
		r.mu.Lock()
		first := r.reads || r.state == nil
		r.reads, r.state = false, err
		r.mu.Unlock()
		if first {
			r.each("", func(l *streamLink) { l.stalls(err) })
		}
		wait.sleep(ctx)
	}
}

// cursor is how far the stream has been read.
type cursor struct {
	known bool     // it is known where to begin
	last  streamID // the last entry; the zero value stands before all
	gone  streamID // an entry that is known not to be there any more
}

// read reads once, and hands on what has come.
func (r *streamReader) read(ctx context.Context, c *cursor, wait *backoff) error {
	if !c.known {
		last, err := r.end(ctx)
		if err != nil {
			return err
		}
		c.known, c.last = true, last
		r.mu.Lock()
		r.last = last
		r.mu.Unlock()
		r.each("", func(l *streamLink) { l.beginAt(last) })
	}
	// The connection does not look by itself whether it is alive while it waits.
	limited, cancel := context.WithTimeout(ctx, r.options.BlockTime+5*time.Second)
	defer cancel()
	lost, err := r.check(limited, c)
	if err != nil {
		return err
	}
	r.up(lost)
	wait.reset()
	read := r.conn.B().Arbitrary("XREAD", "COUNT", strconv.Itoa(r.options.ReadCount), "BLOCK", strconv.FormatInt(r.options.BlockTime.Milliseconds(), 10), "STREAMS")
	reply, err := r.conn.Do(limited, read.Keys(r.stream).Args(c.last.String()).Blocking().UnblockOnCancel()).AsXRead()
	if rueidis.IsRedisNil(err) {
		return nil
	}
	if err != nil {
		return err
	}
	entries, err := parseEntries(reply[r.stream])
	if err != nil {
		return err
	}
	for i := range entries {
		e := &entries[i]
		if nsp := e.fields["nsp"]; nsp != "" {
			r.each(nsp, func(l *streamLink) { l.entry(e) })
		}
		r.mu.Lock()
		c.last, r.last = e.id, e.id
		r.mu.Unlock()
	}
	return nil
}

// Commands are built by Arbitrary, so that they are tried once: see
// subscriber.session.

// check looks whether the last entry that was read is still there: then none
// behind it is gone, since the oldest go first. lost is why some may be.
func (r *streamReader) check(ctx context.Context, c *cursor) (lost, err error) {
	if c.last == (streamID{}) || c.last == c.gone {
		return nil, nil
	}
	there, err := r.conn.Do(ctx, r.conn.B().Arbitrary("XRANGE").Keys(r.stream).Args(c.last.String(), c.last.String()).Build()).AsXRange()
	if err != nil || len(there) == 1 {
		return nil, err
	}
	end, err := r.end(ctx)
	if err != nil {
		return nil, err
	}
	c.gone = c.last
	if end.compare(c.last) <= 0 {
		// The stream was deleted. What is in it now is new, and its ids may be lower.
		c.last = streamID{}
	} else if first, err := r.first(ctx); err != nil {
		return nil, err
	} else if first.compare(c.last) > 0 {
		c.last = streamID{} // begin with what is left
	}
	return errTrimmed, nil
}

// end returns the id of the last entry, or zero.
func (r *streamReader) end(ctx context.Context) (streamID, error) {
	return r.only(r.conn.Do(ctx, r.conn.B().Arbitrary("XREVRANGE").Keys(r.stream).Args("+", "-", "COUNT", "1").Build()))
}

func (r *streamReader) first(ctx context.Context) (streamID, error) {
	return r.only(r.conn.Do(ctx, r.conn.B().Arbitrary("XRANGE").Keys(r.stream).Args("-", "+", "COUNT", "1").Build()))
}

func (r *streamReader) only(reply rueidis.RedisResult) (streamID, error) {
	list, err := reply.AsXRange()
	if rueidis.IsRedisNil(err) {
		return streamID{}, nil
	}
	entries, err2 := parseEntries(list)
	if err := errors.Join(err, err2); err != nil || len(entries) == 0 {
		return streamID{}, err
	}
	return entries[0].id, nil
}

// up says that the stream is being read.
func (r *streamReader) up(lost error) {
	r.mu.Lock()
	was := r.reads
	r.reads, r.state = true, nil
	r.mu.Unlock()
	if !was || lost != nil {
		r.each("", func(l *streamLink) { l.reads(lost) })
	}
}
