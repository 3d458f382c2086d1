package sioadapter

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/siogo/sio/socketio/sioparser"
)

// JSON is the encoding of the reference: a ClusterMessage as JSON text, with
// the members uid, nsp, type and data. It is what the sharded Redis adapter and
// the Postgres adapter write when there are no attachments; with some, Append
// fails with ErrBinary.
//
// The members to and seq of the message, detailed, sids, sid and error of its
// data are ours. Nodes of the reference ignore them.
var JSON Codec = jsonCodec{}

// Framed is the encoding between nodes of this implementation alone: JSON, and
// before it, if there are attachments, the byte 1, their number, their lengths
// (each a uvarint), and they themselves.
var Framed Codec = jsonCodec{framed: true}

type jsonCodec struct{ framed bool }

// framedMark begins a framed message with attachments; JSON text cannot.
const framedMark = 1

func (c jsonCodec) Append(dst []byte, m *Message) ([]byte, error) {
	m, attachments := inJSON(m)
	if len(attachments) > 0 {
		if !c.framed {
			return dst, ErrBinary
		}
		dst = append(dst, framedMark)
		dst = binary.AppendUvarint(dst, uint64(len(attachments)))
		for _, b := range attachments {
			dst = binary.AppendUvarint(dst, uint64(len(b)))
		}
		for _, b := range attachments {
			dst = append(dst, b...)
		}
	}
	return appendText(dst, m), nil
}

// inJSON returns m with its arguments in the form of JSON, in which bytes are
// attachments, and these.
func inJSON(m *Message) (*Message, [][]byte) {
	if m.Answer.Binary() || m.Packet != nil && m.Packet.Args.Binary() {
		converted := *m
		converted.Answer = m.Answer.For(jsonParser)
		if m.Packet != nil {
			converted.Packet = &Packet{Args: m.Packet.Args.For(jsonParser)}
		}
		m = &converted
	}
	if m.Packet != nil {
		return m, m.Packet.Args.Attachments()
	}
	return m, m.Answer.Attachments()
}

var jsonParser = sioparser.JSON(nil)

// appendText appends m, whose arguments have the form of JSON, with
// placeholders for attachments.
func appendText(dst []byte, m *Message) []byte {
	dst = append(dst, `{"uid":`...)
	dst = appendString(dst, m.From)
	dst = append(dst, `,"nsp":`...)
	dst = appendString(dst, m.Namespace)
	dst = append(dst, `,"type":`...)
	dst = strconv.AppendUint(dst, uint64(m.Type), 10)
	if m.To != "" {
		dst = append(dst, `,"to":`...)
		dst = appendString(dst, m.To)
	}
	if m.Seq != 0 {
		dst = append(dst, `,"seq":`...)
		dst = strconv.AppendUint(dst, m.Seq, 10)
	}
	switch m.Type {
	case MessageHello, MessageHeartbeat, MessageGoodbye:
		return append(dst, '}')
	}
	dst = append(dst, `,"data":{`...)
	dst = appendData(dst, m)
	return append(dst, '}', '}')
}

// appendData appends the members of the data of m.
func appendData(dst []byte, m *Message) []byte {
	start := len(dst)
	member := func(name string) {
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = append(dst, name...)
		dst = append(dst, '"', ':')
	}
	if m.Packet != nil {
		member("packet")
		if m.Type == MessageBroadcast {
			dst = append(dst, `{"type":2,"data":`...)
			dst = m.Packet.Args.AppendJSON(dst)
			dst = append(dst, '}')
		} else {
			dst = m.Packet.Args.AppendJSON(dst)
		}
	}
	switch m.Type {
	case MessageBroadcast, MessageJoin, MessageLeave, MessageDisconnect, MessageFetch:
		member("opts")
		dst = append(dst, `{"rooms":`...)
		dst = appendStrings(dst, m.Selection.Rooms)
		dst = append(dst, `,"except":`...)
		dst = appendStrings(dst, m.Selection.Except)
		dst = append(dst, `,"flags":{`...)
		dst = appendFlags(dst, m)
		dst = append(dst, '}', '}')
	}
	if m.Request != "" {
		member("requestId")
		dst = appendString(dst, m.Request)
	}
	switch m.Type {
	case MessageJoin, MessageLeave:
		member("rooms")
		dst = appendStrings(dst, m.Rooms)
	case MessageDisconnect:
		member("close")
		dst = strconv.AppendBool(dst, m.Close)
	case MessageSockets:
		member("sockets")
		dst = appendSockets(dst, m.Sockets)
	case MessageClientCount:
		member("clientCount")
		dst = strconv.AppendInt(dst, int64(m.Count), 10)
		if len(m.Asked) > 0 {
			member("sids")
			dst = appendStrings(dst, m.Asked)
		}
	case MessageServerAnswer, MessageClientAnswer:
		if value := m.Answer.At(0); value != nil {
			member("packet")
			dst = append(dst, value...)
		}
		if m.Socket != "" {
			member("sid")
			dst = appendString(dst, m.Socket)
		}
		if m.Err != "" {
			member("error")
			dst = appendString(dst, m.Err)
		}
	}
	if m.Detailed {
		member("detailed")
		dst = append(dst, "true"...)
	}
	return dst
}

func appendFlags(dst []byte, m *Message) []byte {
	start := len(dst)
	if m.Selection.Volatile {
		dst = append(dst, `"volatile":true,`...)
	}
	if m.Selection.NoCompress {
		dst = append(dst, `"compress":false,`...)
	}
	if m.Timeout > 0 {
		dst = append(dst, `"timeout":`...)
		dst = strconv.AppendInt(dst, max(m.Timeout.Milliseconds(), 1), 10)
		dst = append(dst, ',')
	}
	if len(dst) > start {
		dst = dst[:len(dst)-1]
	}
	return dst
}

func appendSockets(dst []byte, sockets []Info) []byte {
	dst = append(dst, '[')
	for i := range sockets {
		s := &sockets[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"id":`...)
		dst = appendString(dst, s.ID)
		dst = append(dst, `,"handshake":`...)
		dst = appendObject(dst, s.Handshake)
		dst = append(dst, `,"rooms":`...)
		dst = appendStrings(dst, s.Rooms)
		dst = append(dst, `,"data":`...)
		dst = appendObject(dst, s.Data)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

func appendObject(dst []byte, raw json.RawMessage) []byte {
	if len(raw) == 0 {
		return append(dst, '{', '}')
	}
	return append(dst, raw...)
}

func appendStrings(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, s)
	}
	return append(dst, ']')
}

// appendString appends s as JSON text. Most names need no escapes.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string can always be encoded
			return append(dst, quoted...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

func (c jsonCodec) Decode(b []byte) (*Message, error) {
	var attachments [][]byte
	if c.framed && len(b) > 0 && b[0] == framedMark {
		var err error
		if attachments, b, err = cutAttachments(b[1:]); err != nil {
			return nil, err
		}
	}
	return decodeText(b, attachments)
}

// decodeText decodes what appendText writes.
func decodeText(b []byte, attachments [][]byte) (*Message, error) {
	var w wireMessage
	if err := json.Unmarshal(b, &w); err != nil {
		return nil, malformed("%v", err)
	}
	m := &Message{Type: MessageType(w.Type), From: w.UID, To: w.To, Namespace: w.NSP, Seq: w.Seq}
	if err := w.Data.fill(m, attachments); err != nil {
		return nil, err
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return m, nil
}

// cutAttachments returns the attachments that b begins with, in memory of
// their own, and the rest.
func cutAttachments(b []byte) (attachments [][]byte, rest []byte, err error) {
	number := func() (n int, ok bool) {
		v, k := binary.Uvarint(b)
		if k <= 0 || v > uint64(len(b)-k) { // nothing is longer, or more, than what is left
			return 0, false
		}
		b = b[k:]
		return int(v), true
	}
	n, ok := number()
	lengths := make([]int, 0, min(n, 16))
	for ; ok && len(lengths) < n; ok = ok && len(lengths) <= n {
		var length int
		if length, ok = number(); ok {
			lengths = append(lengths, length)
		}
	}
	for _, length := range lengths {
		if !ok || length > len(b) {
			ok = false
			break
		}
		attachments = append(attachments, slices.Clone(b[:length:length]))
		b = b[length:]
	}
	if !ok || n == 0 {
		return nil, nil, malformed("attachments that are cut off")
	}
	return attachments, b, nil
}

// wireMessage and the types below are what the text holds.
type wireMessage struct {
	UID  string   `json:"uid"`
	NSP  string   `json:"nsp"`
	Type uint8    `json:"type"`
	Data wireData `json:"data"`
	To   string   `json:"to"`
	Seq  uint64   `json:"seq"`
}

type wireData struct {
	Packet      json.RawMessage `json:"packet"`
	Opts        *wireOptions    `json:"opts"`
	RequestID   string          `json:"requestId"`
	Rooms       roomList        `json:"rooms"`
	Close       bool            `json:"close"`
	Sockets     []wireSocket    `json:"sockets"`
	ClientCount int             `json:"clientCount"`
	SIDs        []string        `json:"sids"`
	Detailed    bool            `json:"detailed"`
	SID         string          `json:"sid"`
	Error       string          `json:"error"`
}

type wirePacket struct {
	Type int             `json:"type"`
	Data json.RawMessage `json:"data"`
	NSP  string          `json:"nsp"`
}

type wireOptions struct {
	Rooms  roomList `json:"rooms"`
	Except roomList `json:"except"`
	Flags  struct {
		Volatile bool    `json:"volatile"`
		Compress *bool   `json:"compress"`
		Timeout  float64 `json:"timeout"`
	} `json:"flags"`
}

type wireSocket struct {
	ID        string          `json:"id"`
	Handshake json.RawMessage `json:"handshake"`
	Rooms     roomList        `json:"rooms"`
	Data      json.RawMessage `json:"data"`
}

// roomList is a list of names. JavaScript admits numbers as names.
type roomList []string

func (l *roomList) UnmarshalJSON(b []byte) error {
	if string(b) == "[]" {
		return nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(b, &list); err != nil {
		return err
	}
	*l = make([]string, len(list))
	for i, raw := range list {
		switch {
		case raw[0] == '"':
			if err := json.Unmarshal(raw, &(*l)[i]); err != nil {
				return err
			}
		case raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9':
			(*l)[i] = string(raw)
		default:
			return malformed("a room named %.20s", raw)
		}
	}
	return nil
}

// fill puts what the type of m has use for into m.
func (d *wireData) fill(m *Message, attachments [][]byte) (err error) {
	m.Request = d.RequestID
	switch m.Type {
	case MessageBroadcast, MessageJoin, MessageLeave, MessageDisconnect, MessageFetch:
		if d.Opts == nil {
			return malformed("%v without opts", m.Type)
		}
		m.Selection = Selection{Rooms: d.Opts.Rooms, Except: d.Opts.Except}
		m.Selection.Volatile = d.Opts.Flags.Volatile
		m.Selection.NoCompress = d.Opts.Flags.Compress != nil && !*d.Opts.Flags.Compress
		m.Timeout = milliseconds(d.Opts.Flags.Timeout)
	}
	switch m.Type {
	case MessageBroadcast:
		var p wirePacket
		if err := json.Unmarshal(d.Packet, &p); err != nil {
			return malformed("packet: %v", err)
		}
		if p.Type != int(sioparser.Event) && p.Type != int(sioparser.BinaryEvent) {
			return malformed("a broadcast of packet type %d", p.Type)
		}
		if m.Namespace == "" {
			m.Namespace = p.NSP
		}
		m.Detailed = d.Detailed
		m.Packet, err = newPacket(p.Data, attachments)
	case MessageServerEvent:
		m.Packet, err = newPacket(d.Packet, attachments)
	case MessageJoin, MessageLeave:
		m.Rooms = d.Rooms
	case MessageDisconnect:
		m.Close = d.Close
	case MessageSockets:
		for _, s := range d.Sockets {
			if !objectOrNull(&s.Handshake) || !objectOrNull(&s.Data) {
				return malformed("a socket whose handshake or data is no object")
			}
			m.Sockets = append(m.Sockets, Info{ID: s.ID, Rooms: s.Rooms, Handshake: s.Handshake, Data: s.Data})
		}
	case MessageClientCount:
		m.Count, m.Asked = d.ClientCount, d.SIDs
	case MessageServerAnswer, MessageClientAnswer:
		if m.Type == MessageClientAnswer {
			m.Socket, m.Err = d.SID, d.Error
		}
		if len(d.Packet) > 0 {
			m.Answer, err = newArgs(slices.Concat([]byte("["), d.Packet, []byte("]")), attachments)
		}
	}
	return err
}

func newPacket(array []byte, attachments [][]byte) (*Packet, error) {
	args, err := newArgs(array, attachments)
	if err != nil {
		return nil, err
	}
	return &Packet{Args: args}, nil
}

func newArgs(array []byte, attachments [][]byte) (sioparser.Args, error) {
	args, err := sioparser.NewArgs(array, attachments...)
	if err != nil {
		return sioparser.Args{}, malformed("arguments: %v", err)
	}
	return args, nil
}

// objectOrNull reports whether raw, which is JSON or missing, is an object. It
// makes null a missing one, which is as good.
func objectOrNull(raw *json.RawMessage) bool {
	b := bytes.TrimLeft(*raw, " \t\r\n")
	if len(b) == 0 || b[0] == 'n' {
		*raw = nil
		return true
	}
	return b[0] == '{'
}

// milliseconds makes a duration of what another node says, an hour at most.
func milliseconds(ms float64) time.Duration {
	if !(ms > 0) {
		return 0
	}
	return time.Duration(math.Min(ms, 3_600_000) * float64(time.Millisecond))
}
