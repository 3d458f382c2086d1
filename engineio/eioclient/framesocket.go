//go:build !js

package eioclient

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/siogo/sio/engineio/eioparser"
	"github.com/siogo/sio/internal/websocket"
)

const (
	readSize    = 4 << 10   // of the read buffer at first
	maxReadSize = 64 << 10  // and when there is much to read
	keepWrite   = 256 << 10 // up to which size a write's memory is used again
	writeStep   = 64 << 10  // what has to be written within WriteTimeout
	byeTimeout  = time.Second
)

// A frameSocket is a WebSocket over a connection. The fields of each block
// belong to the methods named there.
type frameSocket struct {
	cfg     *config            // immutable, as the rest of the block
	conn    io.ReadWriteCloser // what net/http made of the connection
	nc      net.Conn           // the same, for deadlines
	deflate bool               // permessage-deflate was agreed on

	parser websocket.Parser // read
	buf    []byte
	unread []byte
}

// A scratch is the memory of one write; idle connections have none.
type scratch struct{ out, content []byte }

func (m *scratch) release() {
	if cap(m.out)+cap(m.content) <= keepWrite {
		scratches.Put(m)
	}
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func newFrameSocket(cfg *config, conn io.ReadWriteCloser, nc net.Conn, deflate bool) *frameSocket {
	s := &frameSocket{cfg: cfg, conn: conn, nc: nc, deflate: deflate, buf: make([]byte, readSize)}
	s.parser.Init(&websocket.Config{
		Role:        websocket.Client,
		MaxMessage:  cfg.MaxMessage,
		NewInflater: websocket.NewInflater,
	}, deflate)
	return s
}

// read implements [socket].
func (s *frameSocket) read() (event, error) {
	for {
		ev, n, err := s.parser.Next(s.unread)
		s.unread = s.unread[n:]
		if err != nil {
			return event{}, err
		}
		switch ev.Kind {
		case websocket.Text:
			return event{kind: socketText, data: ev.Data}, nil
		case websocket.Binary:
			return event{kind: socketBinary, data: ev.Data}, nil
		case websocket.Ping:
			return event{kind: socketPing, data: ev.Data}, nil
		case websocket.Close:
			return event{kind: socketClose, data: ev.Data, code: ev.Code}, nil
		case websocket.Pong:
			continue
		}
		if n, err = s.conn.Read(s.buf); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = fmt.Errorf("%w without saying goodbye", errSocketClosed)
			}
			return event{}, err
		}
		s.unread = s.buf[:n]
		if n == len(s.buf) && n < maxReadSize {
			s.buf = make([]byte, 2*n) // unread keeps the old one
		}
	}
}

// write implements [socket].
func (s *frameSocket) write(packets []packet) error {
	m := scratches.Get().(*scratch)
	defer m.release()
	m.out = m.out[:0]
	for _, p := range packets {
		s.appendFrame(m, p)
	}
	for b := m.out; len(b) > 0; {
		s.nc.SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout))
		n, err := s.conn.Write(b[:min(len(b), writeStep)])
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				err = errNoProgress
			}
			return err
		}
		b = b[n:]
	}
	return nil
}

// appendFrame appends a packet to m.out.
func (s *frameSocket) appendFrame(m *scratch, p packet) {
	op, content := websocket.OpText, p.Data
	switch {
	case p.raw == rawPong:
		op = websocket.OpPong
	case p.Binary && s.cfg.Revision == eioparser.V4:
		op = websocket.OpBinary
	case p.Binary:
		op, m.content = websocket.OpBinary, eioparser.AppendBinary(m.content[:0], s.cfg.Revision, p.Packet)
		content = m.content
	default:
		m.content = eioparser.AppendText(m.content[:0], p.Packet)
		content = m.content
	}
	compress := s.deflate && !p.plain && p.raw == notRaw && p.Type == eioparser.Message
	if compress && len(p.Data) >= s.cfg.platform.deflate.Threshold {
		m.out = websocket.AppendDeflated(m.out, websocket.Client, op, websocket.Deflate(nil, content, 0))
	} else {
		m.out = websocket.AppendFrame(m.out, websocket.Client, op, content)
	}
}

// close implements [socket].
func (s *frameSocket) close(code int, reason string) error {
	s.nc.SetWriteDeadline(time.Now().Add(byeTimeout))
	_, err := s.conn.Write(websocket.AppendClose(nil, websocket.Client, code, reason))
	return err
}

// abort implements [socket].
func (s *frameSocket) abort() { rawConn(s.nc).Close() }

// isViolation reports whether an error is the server's breach of RFC 6455.
func isViolation(err error) bool { return errors.As(err, new(*websocket.ProtocolError)) }

// closeCode returns what the server's WebSocket is told about the end of the
// session.
func closeCode(err *CloseError) (code int, reason string) {
	var violation *websocket.ProtocolError
	switch {
	case errors.As(err, &violation):
		return violation.Code, violation.Reason
	case err.Reason == ReasonParseError:
		return closeProtocol, "parse error"
	}
	return closeNormal, ""
}
