package engineio

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/rs/cors"
)

var errOrigin = errors.New("the origin may not connect: Options.CORS does not name it, and without it cross-origin requests must not carry cookies or an Authorization header")

// verifyOrigin guards against pages of other sites that use a visitor's
// cookies, for polling and WebSocket alike: browsers open cross-origin
// WebSockets without asking. Clients that are no browsers send no Origin.
func (srv *Server) verifyOrigin(r *http.Request) error {
	origin := r.Header.Get("Origin")
	if origin == "" || sameOrigin(r, origin) {
		return nil
	}
	if c := srv.cfg.cors; c != nil {
		if c.OriginAllowed(r) {
			return nil
		}
		return errOrigin
	}
	if r.Header.Get("Cookie") != "" || r.Header.Get("Authorization") != "" {
		return errOrigin
	}
	return nil
}

// sameOrigin reports whether the request comes from a page of this very
// server. The browser says so itself, if it is not an old one; the Host header
// may have been rewritten by a proxy.
func sameOrigin(r *http.Request, origin string) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin" || site == "none"
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// allowsEverybody reports whether the options name no origin in particular.
func allowsEverybody(c *cors.Options) bool {
	//lint:ignore SA1019 who still sets the deprecated function names origins with it
	if c.AllowOriginFunc != nil || c.AllowOriginRequestFunc != nil || c.AllowOriginVaryRequestFunc != nil {
		return false
	}
	return len(c.AllowedOrigins) == 0 || slices.Contains(c.AllowedOrigins, "*")
}
