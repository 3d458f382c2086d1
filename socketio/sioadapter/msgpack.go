package sioadapter

import (
	"slices"

	"github.com/siogo/sio/socketio/sioparser"
)

// MsgPack is the message of [JSON] as a MessagePack map, in which attachments
// are bytes. It is what the sharded Redis adapter writes where there are some,
// and the Redis streams adapter wherever it does not use the stream.
var MsgPack Codec = msgPackCodec{}

type msgPackCodec struct{}

// oneElement begins a MessagePack array with one element, which makes a message
// the only argument of a list: package sioparser converts those.
const oneElement = 0x91

func (msgPackCodec) Append(dst []byte, m *Message) ([]byte, error) {
	m, attachments := inJSON(m)
	text := append(appendText([]byte{'['}, m), ']')
	args, err := sioparser.NewArgs(text, attachments...)
	if err != nil { // arguments are nested as deeply as they may be, and are some deeper here
		return dst, malformed("%v", err)
	}
	return append(dst, args.AppendMsgPack(nil)[1:]...), nil
}

func (msgPackCodec) Decode(b []byte) (*Message, error) {
	args, err := sioparser.NewMsgPackArgs(slices.Concat([]byte{oneElement}, b))
	if err != nil {
		return nil, malformed("%v", err)
	}
	args = args.For(jsonParser)
	return decodeText(args.At(0), args.Attachments())
}
