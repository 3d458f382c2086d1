package socketio

import (
	"crypto/sha256"
	"encoding/base64"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/rs/cors"
)

// clientFiles serves a build of the browser client: the eight names that the
// reference serves, and no other.
type clientFiles struct {
	fs   fs.FS
	path string // in front of the names, with a slash at its end
	cors *cors.Cors

	mu    sync.Mutex
	known map[string]*clientFile // by name with the suffix of its encoding
}

type clientFile struct {
	data []byte // nil: there is none
	etag string
}

var clientNames = map[string]bool{
	"socket.io.js":             true,
	"socket.io.min.js":         true,
	"socket.io.esm.min.js":     true,
	"socket.io.msgpack.min.js": true,
}

func newClientFiles(files fs.FS, path string, c *cors.Options) *clientFiles {
	f := &clientFiles{fs: files, path: path, known: make(map[string]*clientFile)}
	if c != nil {
		f.cors = cors.New(*c)
	}
	return f
}

// serve answers a request for one of the files and reports whether it was one.
func (f *clientFiles) serve(w http.ResponseWriter, r *http.Request) bool {
	if f == nil {
		return false
	}
	name, ok := strings.CutPrefix(r.URL.Path, f.path)
	if !ok || !clientNames[strings.TrimSuffix(name, ".map")] {
		return false
	}
	file, encoding := f.pick(name, r.Header.Get("Accept-Encoding"))
	if file.data == nil {
		return false
	}
	if f.cors != nil {
		f.cors.HandlerFunc(w, r)
	}
	h := w.Header()
	h.Set("ETag", file.etag)
	h.Set("Cache-Control", "public, max-age=0")
	h.Add("Vary", "Accept-Encoding")
	if matches(r.Header.Values("If-None-Match"), file.etag) {
		w.WriteHeader(http.StatusNotModified)
		return true
	}
	kind := "application/javascript; charset=utf-8"
	if strings.HasSuffix(name, ".map") {
		kind = "application/json; charset=utf-8"
	}
	h.Set("Content-Type", kind)
	h.Set("X-Content-Type-Options", "nosniff")
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	h.Set("Content-Length", strconv.Itoa(len(file.data)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(file.data) // the client may have gone
	}
	return true
}

// pick returns the smallest form of a file that the client takes.
func (f *clientFiles) pick(name, accepted string) (file *clientFile, encoding string) {
	for _, form := range []struct{ encoding, suffix string }{{"br", ".br"}, {"gzip", ".gz"}} {
		if accepts(accepted, form.encoding) {
			if file := f.read(name + form.suffix); file.data != nil {
				return file, form.encoding
			}
		}
	}
	return f.read(name), ""
}

// read returns a file of the file system, which is read once.
func (f *clientFiles) read(name string) *clientFile {
	f.mu.Lock()
	file := f.known[name]
	f.mu.Unlock()
	if file != nil {
		return file
	}
	file = &clientFile{}
	if data, err := fs.ReadFile(f.fs, name); err == nil {
		sum := sha256.Sum256(data)
		file.data = append([]byte{}, data...)
		file.etag = `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	}
	f.mu.Lock()
	f.known[name] = file
	f.mu.Unlock()
	return file
}

// accepts reports whether an Accept-Encoding header names the encoding.
func accepts(header, encoding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, quality, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(name), encoding) {
			q, ok := strings.CutPrefix(strings.TrimSpace(quality), "q=")
			if !ok {
				return true
			}
			v, err := strconv.ParseFloat(q, 64)
			return err == nil && v > 0
		}
	}
	return false
}

// matches reports whether an If-None-Match header has the tag, strong or weak.
func matches(headers []string, etag string) bool {
	for _, h := range headers {
		for tag := range strings.SplitSeq(h, ",") {
			tag = strings.TrimSpace(tag)
			if tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
				return true
			}
		}
	}
	return false
}
