package websocket

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// ErrTooLarge is what an [Inflater] returns when the message is larger than
// allowed once inflated.
var ErrTooLarge = errors.New("websocket: the inflated message is larger than allowed")

// An Inflater inflates the compressed messages of one connection.
type Inflater interface {
	// Inflate appends the inflated form of a whole compressed message to dst.
	// It stops with ErrTooLarge as soon as that is more than max bytes.
	Inflate(dst, message []byte, max int64) ([]byte, error)
}

// NewInflater returns an Inflater that takes no context over from one message
// to the next. It holds no memory: its work space is shared between connections
// and given back after each message.
func NewInflater() Inflater { return stateless{} }

type stateless struct{}

// The sync marker that a sender strips from each message (RFC 7692, section
// 7.2.1), and an empty final block behind it, so that the reader sees an end.
const (
	syncMarker = "\x00\x00\xff\xff"
	endOfData  = syncMarker + "\x01\x00\x00\xff\xff"
)

// maxStreams bounds how often a message may end a deflate stream (BFINAL) and
// begin another, which senders are free to do but have no reason to. Each costs
// the copy of a window.
const maxStreams = 16

// maxWindow is the largest window of deflate, in bytes.
const maxWindow = 1 << 15

func (stateless) Inflate(dst, message []byte, max int64) ([]byte, error) {
	if len(message) == 0 {
		return dst, nil // should be one zero byte, but some senders strip too much
	}
	r := readers.Get().(*reader)
	defer r.free()
	r.source = source{message: message, tail: endOfData}

	start := len(dst)
	for range maxStreams {
		// A stream refers back to what the ones before it yielded.
		window := dst[start:]
		window = window[len(window)-min(len(window), maxWindow):]
		if err := r.flate.(flate.Resetter).Reset(&r.source, window); err != nil {
			return dst, err
		}
		var err error
		if dst, err = appendAll(dst, r.flate, int64(start)+max); err != nil {
			return dst, err
		}
		if len(r.source.message) == 0 {
			return dst, nil
		}
	}
	return dst, fmt.Errorf("websocket: a message of more than %d deflate streams", maxStreams)
}

// appendAll appends what r yields to dst, which must not grow longer than max.
// Capacity at most doubles what has been read.
func appendAll(dst []byte, r io.Reader, max int64) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			// One byte more than max tells "exactly max" from "too large".
			size := min(int64(len(dst))*2+512, max+1)
			grown := make([]byte, len(dst), size)
			copy(grown, dst)
			dst = grown
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case int64(len(dst)) > max:
			return dst, ErrTooLarge
		case err == io.EOF:
			return dst, nil
		case err != nil:
			return dst, err
		}
	}
}

// source yields a message and then the tail. It is an io.ByteReader, so that
// the inflater takes no more of it than it needs.
type source struct {
	message []byte
	tail    string
}

func (s *source) Read(b []byte) (int, error) {
	n := copy(b, s.message)
	s.message = s.message[n:]
	m := copy(b[n:], s.tail)
	s.tail = s.tail[m:]
	if n+m == 0 && len(b) > 0 {
		return 0, io.EOF
	}
	return n + m, nil
}

func (s *source) ReadByte() (c byte, err error) {
	switch {
	case len(s.message) > 0:
		c, s.message = s.message[0], s.message[1:]
	case len(s.tail) > 0:
		c, s.tail = s.tail[0], s.tail[1:]
	default:
		err = io.EOF
	}
	return c, err
}

// reader is the work space of an inflater: about 40 KB.
type reader struct {
	source source
	flate  io.Reader
}

var readers = sync.Pool{New: func() any {
	r := new(reader)
	r.flate = flate.NewReader(&r.source)
	return r
}}

func (r *reader) free() {
	r.source = source{} // the message is not ours to keep
	readers.Put(r)
}

// Deflate appends the compressed form of a whole message to dst, for a frame
// with RSV1. No context is taken over from the message before, so the result
// may be sent to any number of peers that agreed to a window of at least
// windowBits (8 to 15; 0 means 15).
func Deflate(dst, message []byte, windowBits int) []byte {
	if windowBits < minWindowBits || windowBits > maxWindowBits {
		windowBits = maxWindowBits
	}
	pool := &writers[windowBits-minWindowBits]
	w, _ := pool.Get().(*writer)
	if w == nil {
		w = newWriter(windowBits)
	}
	w.sink.b = dst
	w.flate.Reset(&w.sink)
	// Writing to memory does not fail.
	w.flate.Write(message)
	w.flate.Flush()
	dst = bytes.TrimSuffix(w.sink.b, []byte(syncMarker))
	w.sink.b = nil
	pool.Put(w)
	return dst
}

// sink is an io.Writer that appends.
type sink struct{ b []byte }

func (s *sink) Write(b []byte) (int, error) {
	s.b = append(s.b, b...)
	return len(b), nil
}

// writer is the work space of one compression.
type writer struct {
	sink  sink
	flate *flate.Writer
}

// writers holds the idle ones by window, from 8 bits to 15.
var writers [maxWindowBits - minWindowBits + 1]sync.Pool

func newWriter(windowBits int) *writer {
	w := new(writer)
	var err error
	if windowBits == maxWindowBits {
		w.flate, err = flate.NewWriter(&w.sink, flate.BestSpeed)
	} else {
		w.flate, err = flate.NewWriterWindow(&w.sink, 1<<windowBits)
	}
	if err != nil {
		panic(err) // the arguments are constants that flate documents as valid
	}
	return w
}
