package engineio

import (
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
)

// A compressor makes a writer reusable for any number of bodies.
type compressor interface {
	io.WriteCloser
	Reset(io.Writer)
}

// encodings are what answers may be compressed with, best first.
var encodings = [...]struct {
	name string
	pool *sync.Pool
}{
	{"br", &sync.Pool{New: func() any { return brotli.NewWriterLevel(nil, 4) }}},
	{"gzip", &sync.Pool{New: func() any { w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed); return w }}},
	{"deflate", &sync.Pool{New: func() any { w, _ := zlib.NewWriterLevel(nil, zlib.BestSpeed); return w }}},
}

// compress returns the body compressed with the best encoding that the client
// takes, and its name; or the body itself and "".
func compress(r *http.Request, body []byte) ([]byte, string) {
	i := chooseEncoding(r.Header.Get("Accept-Encoding"))
	if i < 0 {
		return body, ""
	}
	w := encodings[i].pool.Get().(compressor)
	defer encodings[i].pool.Put(w)
	out := make(appender, 0, len(body)/2)
	w.Reset(&out)
	w.Write(body) // writing to memory does not fail
	w.Close()
	return out, encodings[i].name
}

// maxEncodings is how many entries of an Accept-Encoding are looked at.
const maxEncodings = 16

// chooseEncoding returns the index of the best of our encodings that the
// header takes, or -1.
func chooseEncoding(accept string) int {
	best := -1
	for range maxEncodings {
		entry, rest, more := strings.Cut(accept, ",")
		name, params, _ := strings.Cut(entry, ";")
		name = strings.TrimSpace(name)
		for i := range encodings {
			if strings.EqualFold(name, encodings[i].name) && (best < 0 || i < best) && !isZeroQuality(params) {
				best = i
			}
		}
		if !more {
			break
		}
		accept = rest
	}
	return best
}

// isZeroQuality reports whether the parameters say "q=0": not acceptable.
func isZeroQuality(params string) bool {
	q, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(params)), "q=")
	return ok && strings.Trim(q, "0.") == "" && q != ""
}

// appender is an io.Writer that appends.
type appender []byte

func (a *appender) Write(p []byte) (int, error) {
	*a = append(*a, p...)
	return len(p), nil
}
