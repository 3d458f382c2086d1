package websocket

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// noise returns n bytes that do not compress, the same for the same seed.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func TestDeflateRoundTrip(t *testing.T) {
	messages := [][]byte{nil, []byte("a"), []byte("hello hello hello hello"), noise(1, 10), noise(2, 100_000),
		bytes.Repeat([]byte("abc"), 100_000), bytes.Repeat(noise(3, 3000), 50)}
	for _, bits := range []int{0, 8, 9, 10, 11, 12, 13, 14, 15} {
		for _, message := range messages {
			compressed := Deflate([]byte("prefix"), message, bits)
			if !bytes.HasPrefix(compressed, []byte("prefix")) {
				t.Fatal("dst was not kept")
			}
			compressed = compressed[len("prefix"):]
			got, err := NewInflater().Inflate([]byte("prefix"), compressed, int64(len(message)))
			if err != nil || string(got) != "prefix"+string(message) {
				t.Fatalf("window %d: %d bytes came back as %d, %v", bits, len(message), len(got)-6, err)
			}
			if extra := int64(len(compressed)) - int64(len(message)); extra > (&Parser{config: &Config{MaxMessage: int64(len(message) + 1)}}).maxWire(true)-int64(len(message)) {
				t.Errorf("window %d: %d bytes became %d", bits, len(message), len(compressed))
			}
			// Anybody's inflater understands it.
			std := flate.NewReader(io.MultiReader(bytes.NewReader(compressed), strings.NewReader(endOfData)))
			if got, err := io.ReadAll(std); err != nil || !bytes.Equal(got, message) {
				t.Fatalf("window %d: the standard library reads %d bytes of %d, %v", bits, len(got), len(message), err)
			}
		}
	}
}

// A peer with a window of 2^bits bytes cannot follow references further back:
// what repeats only after more than that must not be found.
func TestDeflateKeepsToTheWindow(t *testing.T) {
	for bits := 8; bits <= 15; bits++ {
		window := 1 << bits
		far := bytes.Repeat(noise(uint64(bits), window+8), 3)
		if n := len(Deflate(nil, far, bits)); n < len(far) {
			t.Errorf("window %d: what repeats beyond it was found, %d bytes became %d", bits, len(far), n)
		}
		near := bytes.Repeat(noise(uint64(bits), window-8), 3)
		if n := len(Deflate(nil, near, bits)); bits < 15 && n > len(near)*2/3 {
			t.Errorf("window %d: what repeats within it was not found, %d bytes became %d", bits, len(near), n)
		}
	}
}

func TestSec_S42_InflatedMessageIsLimited(t *testing.T) {
	const limit = 1 << 20
	bomb := Deflate(nil, make([]byte, 200<<20), 0)
	if len(bomb) > limit {
		t.Fatalf("the bomb is %d bytes", len(bomb))
	}
	wire := AppendDeflated(nil, Client, OpBinary, bomb)
	var p Parser
	p.Init(&Config{MaxMessage: limit, NewInflater: NewInflater}, true)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := p.Next(wire)
	runtime.ReadMemStats(&after)
	var violation *ProtocolError
	if !errors.As(err, &violation) || violation.Code != 1009 {
		t.Fatalf("got %v, want 1009", err)
	}
	// All that was allocated: the buffer of limit+1 bytes, and the smaller ones
	// before it, of which only one was live at the same time.
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 3*limit+256<<10 {
		t.Errorf("allocated %d bytes for a limit of %d", grown, limit)
	}
}

func TestFault_W05_LimitIsExact(t *testing.T) {
	for _, n := range []int{0, 1, 511, 512, 513, 1000, 4096, 70_000} {
		compressed := Deflate(nil, make([]byte, n), 0)
		if got, err := NewInflater().Inflate(nil, compressed, int64(n)); err != nil || len(got) != n {
			t.Errorf("limit %d: got %d bytes, %v", n, len(got), err)
		}
		if n > 0 {
			if got, err := NewInflater().Inflate(nil, compressed, int64(n-1)); !errors.Is(err, ErrTooLarge) || cap(got) > max(2*n, 512) {
				t.Errorf("limit %d: got %d bytes in %d, %v", n-1, len(got), cap(got), err)
			}
		}
	}
}

// Many short streams must not cost a window's copy each.
func TestFault_W05_StreamsAreLimited(t *testing.T) {
	var message []byte
	for range maxStreams {
		message = append(message, "\xf3\x48\xcd\xc9\xc9\x07\x00"...) // final block "Hello"
	}
	if got, err := NewInflater().Inflate(nil, message, 1000); err != nil || string(got) != strings.Repeat("Hello", maxStreams) {
		t.Errorf("%d streams: %q, %v", maxStreams, got, err)
	}
	if _, err := NewInflater().Inflate(nil, append(message, "\x03\x00"...), 1000); err == nil {
		t.Errorf("%d streams were accepted", maxStreams+1)
	}
	// The window reaches over the end of a stream: the second one refers back.
	var two bytes.Buffer
	w, _ := flate.NewWriter(&two, 9)
	w.Write([]byte("hello "))
	w.Close()
	w, _ = flate.NewWriterDict(&two, 9, []byte("hello "))
	w.Write([]byte("hello hello "))
	w.Flush()
	got, err := NewInflater().Inflate(nil, bytes.TrimSuffix(two.Bytes(), []byte(syncMarker)), 1000)
	if err != nil || string(got) != "hello hello hello " {
		t.Errorf("a reference into the stream before: %q, %v", got, err)
	}
}

// The work space is shared by all connections.
func TestDeflateConcurrently(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			message := bytes.Repeat([]byte(fmt.Sprint("message ", i, " ")), 100)
			for j := range 100 {
				got, err := NewInflater().Inflate(nil, Deflate(nil, message, 8+j%8), 1<<20)
				if err != nil || !bytes.Equal(got, message) {
					t.Errorf("%d bytes came back as %d, %v", len(message), len(got), err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// FuzzInflate: no input makes more than the limit, and what inflates survives
// being compressed again.
func FuzzInflate(f *testing.F) {
	for _, tc := range deflateCases {
		if wire := tc.stream(Client); len(wire) > 2 && len(wire) < 4096 {
			f.Add(wire[2:])
		}
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		const limit = 10_000
		got, err := NewInflater().Inflate(nil, message, limit)
		if cap(got) > limit+limit/4 {
			t.Fatalf("%d bytes in %d for a limit of %d", len(got), cap(got), limit)
		}
		if err != nil {
			return
		}
		again, err := NewInflater().Inflate(nil, Deflate(nil, got, 8+len(message)%8), limit)
		if err != nil || !bytes.Equal(got, again) {
			t.Fatalf("%q came back as %q, %v", got, again, err)
		}
	})
}

func BenchmarkDeflate(b *testing.B) {
	message := []byte(strings.Repeat(`{"id":12,"name":"value","list":[1,2,3]},`, 30))
	for _, bits := range []int{9, 15} {
		b.Run(fmt.Sprintf("%d bits/1.2KB", bits), func(b *testing.B) {
			var dst []byte
			b.SetBytes(int64(len(message)))
			b.ReportAllocs()
			for b.Loop() {
				dst = Deflate(dst[:0], message, bits)
			}
		})
	}
}

func BenchmarkInflate(b *testing.B) {
	message := []byte(strings.Repeat(`{"id":12,"name":"value","list":[1,2,3]},`, 30))
	compressed := Deflate(nil, message, 0)
	inflater := NewInflater()
	var dst []byte
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = inflater.Inflate(dst[:0], compressed, 1<<20); err != nil {
			b.Fatal(err)
		}
	}
}
