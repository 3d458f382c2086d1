package interop

import (
	"time"

	"github.com/siogo/sio/engineio"
)

const (
	pingInterval = 300 * time.Millisecond
	pingTimeout  = 10 * time.Second
)

// newEngine is the Engine.IO half of the contract: every message comes back,
// and the text "close" closes the session.
func newEngine() (*engineio.Server, error) {
	return engineio.New(&engineio.Options{
		PingInterval: pingInterval,
		PingTimeout:  pingTimeout,
		Open:         func(s *engineio.Session) engineio.Handler { return echo{s} },
	})
}

type echo struct{ session *engineio.Session }

func (e echo) Message(data []byte, binary bool) {
	if string(data) == "close" && !binary {
		e.session.Close()
		return
	}
	// An error says that the session is closing, which Closed hears as well.
	_ = e.session.Send(engineio.NewMessage(data, binary))
}

func (echo) Closed(*engineio.CloseError) {}
