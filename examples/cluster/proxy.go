package main

import (
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
)

// stickyCookie holds the number of the server that a browser is sent to.
const stickyCookie = "server"

// sticky returns a reverse proxy that sends all requests of a browser to the
// same server: one that the cookie names, or any. A server that is gone is
// replaced by the next.
func sticky(targets []*url.URL) http.Handler {
	proxies := make([]*httputil.ReverseProxy, len(targets))
	for i, target := range targets {
		proxies[i] = &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(target)
				r.SetXForwarded()
				r.Out.Host = r.In.Host // the server compares it with the origin of the page
			},
			ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
				// The client comes again, and is sent to another.
				setCookie(w, (i+1)%len(targets))
				http.Error(w, "the server is gone", http.StatusBadGateway)
			},
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := -1
		if c, err := r.Cookie(stickyCookie); err == nil {
			i, _ = strconv.Atoi(c.Value)
		}
		if i < 0 || i >= len(proxies) {
			i = rand.IntN(len(proxies))
			setCookie(w, i)
		}
		proxies[i].ServeHTTP(w, r)
	})
}

func setCookie(w http.ResponseWriter, i int) {
	http.SetCookie(w, &http.Cookie{Name: stickyCookie, Value: strconv.Itoa(i), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
}
