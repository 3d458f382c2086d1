package socketio

import (
	"github.com/siogo/sio/engineio"
	"github.com/siogo/sio/socketio/sioparser"
)

// packet is an encoded packet: its frame, and its attachments. It is immutable
// and can be sent to any number of sessions.
type packet struct {
	frame *engineio.Message
	more  []*engineio.Message // all of it, the frame included, if there are attachments
}

// delivery says how a packet is sent.
type delivery struct {
	volatile   bool
	noCompress bool
}

// headroom is how much a packet is expected to need; it grows when it does.
const headroom = engineio.Headroom + 112

// encode encodes a packet from Go values.
func (srv *Server) encode(h sioparser.Header, name string, args []any) (packet, error) {
	buf := make([]byte, engineio.Headroom, headroom)
	frame, attachments, err := srv.cfg.Parser.AppendPacket(buf, h, name, sioparser.Spread(args)...)
	if err != nil {
		return packet{}, err
	}
	return srv.wrap(frame, attachments), nil
}

// encodeArgs encodes the arguments of an event, or with an empty name of an
// acknowledgement, for any number of packets.
func (srv *Server) encodeArgs(name string, args []any) (sioparser.Args, error) {
	return srv.cfg.Parser.EncodeArgs(name, sioparser.Spread(args)...)
}

// frame encodes a packet from arguments that are encoded.
func (srv *Server) frame(h sioparser.Header, args sioparser.Args) packet {
	args = args.For(srv.cfg.Parser) // a message of another node may have another form
	buf := make([]byte, engineio.Headroom, headroom)
	return srv.wrap(srv.cfg.Parser.AppendArgs(buf, h, args), args.Attachments())
}

func (srv *Server) wrap(frame []byte, attachments [][]byte) packet {
	p := packet{frame: engineio.WrapMessage(frame, srv.cfg.Parser.Binary())}
	if len(attachments) > 0 {
		p.more = append(make([]*engineio.Message, 0, 1+len(attachments)), p.frame)
		for _, a := range attachments {
			p.more = append(p.more, engineio.NewMessage(a, true))
		}
	}
	return p
}

// plain marks the packet as not worth compressing, before it is first sent.
func (p packet) plain() {
	p.frame.NoCompress()
	for _, m := range p.more {
		m.NoCompress()
	}
}

// send hands the packet to a session. A volatile one that is dropped is no
// error.
func (p packet) send(session *engineio.Session, d delivery) error {
	switch {
	case d.volatile && p.more != nil:
		session.SendVolatile(p.more...)
		return nil
	case d.volatile:
		session.SendVolatile(p.frame)
		return nil
	case p.more != nil:
		return sendError(session.Send(p.more...))
	}
	return sendError(session.Send(p.frame))
}

// sendAll hands the packet to sessions, and does not tell which of them fail.
func (p packet) sendAll(sessions []*engineio.Session) {
	switch {
	case len(sessions) == 0:
	case p.more != nil:
		engineio.SendAll(sessions, p.more...)
	default:
		engineio.SendAll(sessions, p.frame)
	}
}
