package redisadapter

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"slices"

	"github.com/siogo/sio/socketio/sioadapter"
	"github.com/siogo/sio/socketio/sioparser"
	"github.com/tinylib/msgp/msgp"
)

// This file has the messages of @socket.io/redis-adapter, the adapter that is
// not sharded, and of @socket.io/redis-emitter.
//
// Broadcasts are MessagePack arrays: the name of the node, the packet, whom it
// is for. Ours have the number of the message as a fourth element, which others
// ignore:
//
//	["a1b2c3", {type: 2, data: ["event", 1], nsp: "/"}, {rooms: [], except: [], flags: {}}, 7]
//
// Requests and responses are objects, as JSON or as MessagePack maps; the first
// byte tells. We write JSON unless there is binary data, and MessagePack where
// the reference does. Ours have the further members seq, to, uid (responses have
// none otherwise), detailed, sid and error.

// requestType is the type of a request, and of some responses.
type requestType uint8

const (
	typeSockets     requestType = 0 // ids, of old nodes
	typeAllRooms    requestType = 1
	typeJoin        requestType = 2
	typeLeave       requestType = 3
	typeDisconnect  requestType = 4
	typeFetch       requestType = 5
	typeServerEvent requestType = 6
	typeBroadcast   requestType = 7 // with acknowledgements
	typeClientCount requestType = 8
	typeClientAck   requestType = 9
)

// requestTypes has the messages that are requests of their own type.
var requestTypes = map[sioadapter.MessageType]requestType{
	sioadapter.MessageJoin:        typeJoin,
	sioadapter.MessageLeave:       typeLeave,
	sioadapter.MessageDisconnect:  typeDisconnect,
	sioadapter.MessageFetch:       typeFetch,
	sioadapter.MessageServerEvent: typeServerEvent,
	sioadapter.MessageBroadcast:   typeBroadcast,
}

const emitterName = "emitter"

// appendBroadcast appends a broadcast without acknowledgements.
func appendBroadcast(dst []byte, m *sioadapter.Message) []byte {
	n := uint32(3)
	if m.Seq != 0 {
		n++
	}
	dst = msgp.AppendArrayHeader(dst, n)
	dst = msgp.AppendString(dst, m.From)
	dst = msgp.AppendMapHeader(dst, 3)
	dst = msgp.AppendString(dst, "type")
	dst = msgp.AppendInt(dst, int(sioparser.Event))
	dst = msgp.AppendString(dst, "data")
	dst = m.Packet.Args.AppendMsgPack(dst)
	dst = msgp.AppendString(dst, "nsp")
	dst = msgp.AppendString(dst, m.Namespace)

	dst = msgp.AppendMapHeader(dst, 3)
	dst = msgp.AppendString(dst, "rooms")
	dst = appendStrings(dst, m.Selection.Rooms)
	dst = msgp.AppendString(dst, "except")
	dst = appendStrings(dst, m.Selection.Except)
	dst = msgp.AppendString(dst, "flags")
	flags := uint32(0)
	if m.Selection.Volatile {
		flags++
	}
	if m.Selection.NoCompress {
		flags++
	}
	dst = msgp.AppendMapHeader(dst, flags)
	if m.Selection.Volatile {
		dst = msgp.AppendString(dst, "volatile")
		dst = msgp.AppendBool(dst, true)
	}
	if m.Selection.NoCompress {
		dst = msgp.AppendString(dst, "compress")
		dst = msgp.AppendBool(dst, false)
	}
	if m.Seq != 0 {
		dst = msgp.AppendUint64(dst, m.Seq)
	}
	return dst
}

func appendStrings(dst []byte, list []string) []byte {
	dst = msgp.AppendArrayHeader(dst, uint32(len(list)))
	for _, s := range list {
		dst = msgp.AppendString(dst, s)
	}
	return dst
}

// decodeBroadcast decodes a broadcast, which it aliases. The message is nil if
// it is for another namespace. Unless it is wanted, the message is a heartbeat:
// there is nobody to deliver it to, and its number counts.
func decodeBroadcast(b []byte, namespace string, wanted bool) (*sioadapter.Message, error) {
	n, b, err := msgp.ReadArrayHeaderBytes(b)
	if err != nil || n < 3 || n > 16 {
		return nil, malformed("a broadcast that is no array of a name, a packet and options: %v", err)
	}
	m := &sioadapter.Message{Type: sioadapter.MessageBroadcast, Namespace: "/"}
	if m.From, b, err = msgp.ReadStringBytes(b); err != nil {
		return nil, malformed("the name of a node: %v", err)
	}
	var data []byte
	b, err = eachMember(b, func(key, value []byte) (err error) {
		switch string(key) {
		case "nsp":
			if !msgp.IsNil(value) {
				m.Namespace, _, err = msgp.ReadStringBytes(value)
			}
		case "data":
			data = value
		case "type":
			var t int
			if t, err = readInt(value); err == nil && t != int(sioparser.Event) && t != int(sioparser.BinaryEvent) {
				err = malformed("a broadcast of packet type %d", t)
			}
		}
		return err
	})
	if err != nil {
		return nil, malformed("a packet: %v", err)
	}
	options := b
	if b, err = msgp.Skip(b); err != nil {
		return nil, malformed("options: %v", err)
	}
	if n > 3 && msgp.NextType(b) != msgp.NilType { // 5.x has something else there
		seq, _, err := msgp.ReadUint64Bytes(b)
		if err != nil {
			return nil, malformed("the number of a message: %v", err)
		}
		m.Seq = seq
	}
	if m.Namespace != namespace {
		return nil, nil
	}
	if !wanted {
		m.Type = sioadapter.MessageHeartbeat
		return m, nil
	}
	if err := readOptions(options, &m.Selection); err != nil {
		return nil, malformed("options: %v", err)
	}
	args, err := sioparser.NewMsgPackArgs(data)
	if err != nil {
		return nil, malformed("arguments: %v", err)
	}
	m.Packet = &sioadapter.Packet{Args: args}
	return m, nil
}

// eachMember calls f for the members of the map that b begins with, and
// returns what is behind it.
func eachMember(b []byte, f func(key, value []byte) error) ([]byte, error) {
	n, b, err := msgp.ReadMapHeaderBytes(b)
	if err != nil {
		return b, err
	}
	for range n {
		var key []byte
		if key, b, err = msgp.ReadMapKeyZC(b); err != nil {
			return b, err
		}
		value := b
		if b, err = msgp.Skip(b); err != nil {
			return b, err
		}
		if err := f(key, value[:len(value)-len(b)]); err != nil {
			return b, err
		}
	}
	return b, nil
}

func readOptions(b []byte, s *sioadapter.Selection) error {
	if msgp.IsNil(b) {
		return nil
	}
	_, err := eachMember(b, func(key, value []byte) (err error) {
		if msgp.IsNil(value) {
			return nil
		}
		switch string(key) {
		case "rooms":
			s.Rooms, err = readRooms(value)
		case "except":
			s.Except, err = readRooms(value)
		case "flags":
			_, err = eachMember(value, func(key, value []byte) error {
				b, _, err := msgp.ReadBoolBytes(value)
				if err != nil {
					return nil // one that is no boolean
				}
				switch string(key) {
				case "volatile":
					s.Volatile = b
				case "compress":
					s.NoCompress = !b
				}
				return nil
			})
		}
		return err
	})
	return err
}

// readRooms reads a list of names. JavaScript admits numbers as names.
func readRooms(b []byte) ([]string, error) {
	n, b, err := msgp.ReadArrayHeaderBytes(b)
	if err != nil || n == 0 {
		return nil, err
	}
	list := make([]string, 0, min(int(n), len(b)))
	for range n {
		var s string
		if msgp.NextType(b) == msgp.StrType {
			s, b, err = msgp.ReadStringBytes(b)
		} else {
			var number json.Number
			number, b, err = msgp.ReadJSONNumberBytes(b)
			s = number.String()
		}
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// readInt reads an integer, which may be written as a float.
func readInt(b []byte) (int, error) {
	if t := msgp.NextType(b); t == msgp.Float64Type || t == msgp.Float32Type {
		f, _, err := msgp.ReadFloat64Bytes(b)
		return int(f), err
	}
	n, _, err := msgp.ReadIntBytes(b)
	return n, err
}

// object is a request or a response, as we write it.
type object struct {
	UID         string          `json:"uid,omitempty"`
	RequestID   string          `json:"requestId,omitempty"`
	Type        *requestType    `json:"type,omitempty"`
	Opts        *objectOptions  `json:"opts,omitempty"`
	Rooms       []string        `json:"rooms,omitempty"`
	Close       *bool           `json:"close,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
	Packet      any             `json:"packet,omitempty"` // an objectPacket or a value
	Sockets     *[]objectSocket `json:"sockets,omitempty"`
	ClientCount *int            `json:"clientCount,omitempty"`

	To       string `json:"to,omitempty"`
	Seq      uint64 `json:"seq,omitempty"`
	Detailed bool   `json:"detailed,omitempty"`
	SID      string `json:"sid,omitempty"`
	Error    string `json:"error,omitempty"`
}

type objectPacket struct {
	Type int             `json:"type"`
	Data json.RawMessage `json:"data"`
	NSP  string          `json:"nsp"`
}

type objectOptions struct {
	Rooms  []string       `json:"rooms"`
	Except []string       `json:"except"`
	Flags  map[string]any `json:"flags,omitempty"`
}

type objectSocket struct {
	ID        string          `json:"id"`
	Handshake json.RawMessage `json:"handshake"`
	Rooms     []string        `json:"rooms"`
	Data      json.RawMessage `json:"data"`
}

// text returns v as JSON.
func text(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil { // all our values can be encoded
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func list(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}

// inJSON is args in the form of JSON, in which bytes are attachments.
func inJSON(args sioparser.Args) sioparser.Args { return args.For(jsonParser) }

var jsonParser = sioparser.JSON(nil)

func encodeRequest(m *sioadapter.Message) ([]byte, error) {
	kind := requestTypes[m.Type]
	o := &object{UID: m.From, RequestID: m.Request, Type: &kind, Seq: m.Seq, Detailed: m.Detailed}
	if m.Type != sioadapter.MessageServerEvent {
		o.Opts = &objectOptions{Rooms: list(m.Selection.Rooms), Except: list(m.Selection.Except)}
	}
	var attachments [][]byte
	switch m.Type {
	case sioadapter.MessageJoin, sioadapter.MessageLeave:
		o.Rooms = list(m.Rooms)
	case sioadapter.MessageDisconnect:
		o.Close = &m.Close
	case sioadapter.MessageServerEvent:
		args := inJSON(m.Packet.Args)
		o.Data, attachments = args.Raw(), args.Attachments()
	case sioadapter.MessageBroadcast:
		args := inJSON(m.Packet.Args)
		attachments = args.Attachments()
		o.Packet = objectPacket{int(sioparser.Event), args.Raw(), m.Namespace}
		o.Opts.Flags = make(map[string]any)
		if m.Timeout > 0 {
			o.Opts.Flags["timeout"] = max(m.Timeout.Milliseconds(), 1)
		}
		if m.Selection.Volatile {
			o.Opts.Flags["volatile"] = true
		}
		if m.Selection.NoCompress {
			o.Opts.Flags["compress"] = false
		}
		return msgPack(o, attachments)
	}
	if len(attachments) > 0 {
		return msgPack(o, attachments)
	}
	return text(o), nil
}

func encodeResponse(m *sioadapter.Message) ([]byte, error) {
	o := &object{UID: m.From, RequestID: m.Request, To: m.To, Seq: m.Seq}
	kind := typeServerEvent
	args := inJSON(m.Answer)
	value := json.RawMessage(args.At(0))
	switch m.Type {
	case sioadapter.MessageSockets:
		sockets := make([]objectSocket, len(m.Sockets))
		for i := range m.Sockets {
			s := &m.Sockets[i]
			sockets[i] = objectSocket{s.ID, orEmpty(s.Handshake), list(s.Rooms), orEmpty(s.Data)}
		}
		o.Sockets = &sockets
		return text(o), nil
	case sioadapter.MessageClientCount:
		kind = typeClientCount
		o.ClientCount = &m.Count
	case sioadapter.MessageClientAnswer:
		kind = typeClientAck
		o.SID, o.Error = m.Socket, m.Err
		if value != nil {
			o.Packet = value
		}
		o.Type = &kind
		return msgPack(o, args.Attachments())
	case sioadapter.MessageServerAnswer:
		o.Data = value
	}
	o.Type = &kind
	if len(args.Attachments()) > 0 {
		return msgPack(o, args.Attachments())
	}
	return text(o), nil
}

func orEmpty(object json.RawMessage) json.RawMessage {
	if len(object) == 0 {
		return json.RawMessage("{}")
	}
	return object
}

// oneElement begins a MessagePack array with one element, which makes a value
// the only argument of a list: package sioparser converts those.
const oneElement = 0x91

// msgPack returns o as a MessagePack map, with the attachments in their places.
func msgPack(o *object, attachments [][]byte) ([]byte, error) {
	args, err := sioparser.NewArgs(slices.Concat([]byte{'['}, text(o), []byte{']'}), attachments...)
	if err != nil { // arguments are nested as deeply as they may be, and are some deeper here
		return nil, malformed("%v", err)
	}
	return args.AppendMsgPack(nil)[1:], nil
}

// fromMsgPack returns a MessagePack map as JSON, with placeholders for bytes.
func fromMsgPack(b []byte) (text []byte, attachments [][]byte, err error) {
	args, err := sioparser.NewMsgPackArgs(slices.Concat([]byte{oneElement}, b))
	if err != nil {
		return nil, nil, malformed("%v", err)
	}
	args = args.For(jsonParser)
	return args.At(0), args.Attachments(), nil
}

// foreign is a request or a response as it comes.
type foreign struct {
	UID         json.RawMessage `json:"uid"`
	RequestID   json.RawMessage `json:"requestId"`
	Type        *float64        `json:"type"`
	Opts        json.RawMessage `json:"opts"`
	Rooms       json.RawMessage `json:"rooms"`
	Close       json.RawMessage `json:"close"`
	Data        json.RawMessage `json:"data"`
	Packet      json.RawMessage `json:"packet"`
	Sockets     json.RawMessage `json:"sockets"`
	ClientCount json.RawMessage `json:"clientCount"`
	Room        json.RawMessage `json:"room"` // of old requests, with sid

	To       json.RawMessage `json:"to"`
	Seq      json.RawMessage `json:"seq"`
	Detailed json.RawMessage `json:"detailed"`
	SID      json.RawMessage `json:"sid"`
	Error    json.RawMessage `json:"error"`
}

func decodeForeign(b []byte) (f foreign, attachments [][]byte, err error) {
	if len(b) == 0 || b[0] != '{' {
		if b, attachments, err = fromMsgPack(b); err != nil {
			return f, nil, err
		}
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return f, nil, malformed("%v", err)
	}
	return f, attachments, nil
}

// oldRequest is one that our nodes do not make.
type oldRequest struct {
	kind  oldKind
	id    string
	rooms []string // oldSockets: which; oldSocket: its id
}

type oldKind uint8

const (
	noOldRequest oldKind = iota
	oldSockets           // ids of the sockets in rooms
	oldRooms             // all rooms
	oldSocket            // that a socket has done something, if it is here
)

// decodeRequest decodes a request. It returns at least one of a message, an
// oldRequest, and an error, except for requests that mean nothing to us.
func decodeRequest(b []byte, namespace string) (*sioadapter.Message, oldRequest, error) {
	f, attachments, err := decodeForeign(b)
	if err != nil {
		return nil, oldRequest{}, err
	}
	if f.Type == nil {
		return nil, oldRequest{}, malformed("a request without a type")
	}
	if len(f.UID) == 0 {
		f.UID = json.RawMessage(`"` + emitterName + `"`)
	}
	var old oldRequest
	data := map[string]json.RawMessage{"requestId": f.RequestID, "opts": f.Opts}
	var to sioadapter.MessageType
	switch requestType(*f.Type) {
	case typeSockets, typeAllRooms:
		old.kind = oldRooms
		if *f.Type == float64(typeSockets) {
			old.kind = oldSockets
			if err := json.Unmarshal(f.Rooms, &old.rooms); err != nil {
				return nil, oldRequest{}, malformed("rooms: %v", err)
			}
		}
		if json.Unmarshal(f.RequestID, &old.id) != nil || old.id == "" {
			return nil, oldRequest{}, malformed("a request without an id")
		}
		return nil, old, nil
	case typeJoin:
		to = sioadapter.MessageJoin
	case typeLeave:
		to = sioadapter.MessageLeave
	case typeDisconnect:
		to = sioadapter.MessageDisconnect
	case typeFetch:
		to = sioadapter.MessageFetch
	case typeServerEvent:
		to = sioadapter.MessageServerEvent
	case typeBroadcast:
		to = sioadapter.MessageBroadcast
	default:
		return nil, oldRequest{}, nil // of a version to come
	}
	switch to {
	case sioadapter.MessageJoin, sioadapter.MessageLeave, sioadapter.MessageDisconnect:
		data["rooms"], data["close"] = f.Rooms, f.Close
		if len(f.Opts) == 0 && len(f.SID) > 0 { // before 6.1: of one socket, that the others wait for
			var id string
			if json.Unmarshal(f.SID, &id) != nil || json.Unmarshal(f.RequestID, &old.id) != nil {
				return nil, oldRequest{}, malformed("a request about the socket %.40s", f.SID)
			}
			old.kind, old.rooms = oldSocket, []string{id}
			data["opts"] = text(objectOptions{Rooms: old.rooms, Except: []string{}})
			data["rooms"] = slices.Concat([]byte{'['}, f.Room, []byte{']'})
		}
	case sioadapter.MessageServerEvent:
		data["packet"] = f.Data
	case sioadapter.MessageBroadcast:
		data["packet"], data["detailed"] = f.Packet, f.Detailed
		if len(f.RequestID) == 0 {
			return nil, oldRequest{}, malformed("a request for acknowledgements without an id")
		}
	}
	m, err := clusterMessage(f, to, data, attachments, namespace)
	if err == nil && m.From == "" {
		return nil, oldRequest{}, malformed("%v from nobody", m.Type)
	}
	return m, old, err
}

// decodeResponse decodes a response. The message is nil if it means nothing to
// us.
func decodeResponse(b []byte, namespace string) (*sioadapter.Message, error) {
	f, attachments, err := decodeForeign(b)
	if err != nil {
		return nil, err
	}
	data := map[string]json.RawMessage{"requestId": f.RequestID}
	var to sioadapter.MessageType
	switch {
	case f.Type == nil && len(f.Sockets) > 0:
		to = sioadapter.MessageSockets
		data["sockets"] = f.Sockets
	case f.Type == nil:
		return nil, nil // of an old request
	case *f.Type == float64(typeServerEvent):
		to = sioadapter.MessageServerAnswer
		data["packet"] = f.Data
	case *f.Type == float64(typeClientCount):
		to = sioadapter.MessageClientCount
		data["clientCount"] = f.ClientCount
	case *f.Type == float64(typeClientAck):
		to = sioadapter.MessageClientAnswer
		data["packet"], data["sid"], data["error"] = f.Packet, f.SID, f.Error
	default:
		return nil, nil
	}
	return clusterMessage(f, to, data, attachments, namespace)
}

// clusterMessage puts the parts of an object into the form that package
// sioadapter decodes, and checks.
func clusterMessage(f foreign, t sioadapter.MessageType, data map[string]json.RawMessage, attachments [][]byte, namespace string) (*sioadapter.Message, error) {
	var b []byte
	if len(attachments) > 0 {
		b = append(b, 1)
		b = binary.AppendUvarint(b, uint64(len(attachments)))
		for _, a := range attachments {
			b = binary.AppendUvarint(b, uint64(len(a)))
		}
		for _, a := range attachments {
			b = append(b, a...)
		}
	}
	for name, value := range data {
		if len(value) == 0 {
			delete(data, name)
		}
	}
	parts := map[string]any{"nsp": namespace, "type": t, "data": data}
	for name, value := range map[string]json.RawMessage{"uid": f.UID, "to": f.To, "seq": f.Seq} {
		if len(value) > 0 {
			parts[name] = value
		}
	}
	return sioadapter.Framed.Decode(append(b, text(parts)...))
}
