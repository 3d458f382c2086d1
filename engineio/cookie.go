package engineio

import "net/http"

// cookieTemplate returns the cookie of a handshake, but for its value.
func cookieTemplate(o *http.Cookie) *http.Cookie {
	c := *o
	c.Name = orDefault(c.Name, "io")
	c.Path = orDefault(c.Path, "/")
	c.HttpOnly = true
	c.SameSite = orDefault(c.SameSite, http.SameSiteLaxMode)
	c.Value = ""
	return &c
}

// setCookie tells the client its session id, for load balancers to read.
func (s *Session) setCookie(h http.Header) {
	template := s.srv.cfg.cookie
	if template == nil {
		return
	}
	c := *template
	c.Value = s.id
	c.Secure = c.Secure || s.hs.secure
	h.Add("Set-Cookie", c.String())
}
