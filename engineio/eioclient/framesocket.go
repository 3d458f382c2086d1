//go:build !js

package eioclient

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/siogo/sio/engineio/eioparser"
	"github.com/siogo/sio/internal/websocket"
)

const (
	readSize    = 4 << 10  // of the read buffer at first
	maxReadSize = 64 << 10 // and when there is much to read
	keepWrite   = 64 << 10 // up to which size the write buffer is kept
	writeStep   = 64 << 10 // what has to be written within WriteTimeout
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

	out   []byte // write, close
	small []byte
}

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
	s.out = s.out[:0]
	for _, p := range packets {
		s.appendFrame(p)
	}
	for b := s.out; len(b) > 0; {
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
	if cap(s.out) > keepWrite {
		s.out = nil
	}
	return nil
}

// appendFrame appends a packet to out.
func (s *frameSocket) appendFrame(p packet) {
	op, content := websocket.OpText, p.Data
	switch {
	case p.raw == rawPong:
		op = websocket.OpPong
	case p.Binary && s.cfg.Revision == eioparser.V4:
		op = websocket.OpBinary
	case p.Binary:
		op, s.small = websocket.OpBinary, eioparser.AppendBinary(s.small[:0], s.cfg.Revision, p.Packet)
		content = s.small
	default:
		s.small = eioparser.AppendText(s.small[:0], p.Packet)
		content = s.small
	}
	compress := s.deflate && !p.plain && p.raw == notRaw && p.Type == eioparser.Message
	if compress && len(p.Data) >= s.cfg.platform.deflate.Threshold {
		s.out = websocket.AppendDeflated(s.out, websocket.Client, op, websocket.Deflate(nil, content, 0))
	} else {
		s.out = websocket.AppendFrame(s.out, websocket.Client, op, content)
	}
	if cap(s.small) > keepWrite {
		s.small = nil
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
