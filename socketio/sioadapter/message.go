package sioadapter

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/siogo/sio/socketio/sioparser"
)

// MessageType is what a [Message] is about. The values are those of the
// reference's ClusterMessage.
type MessageType uint8

const (
	MessageHello        MessageType = 1  // INITIAL_HEARTBEAT: a node has come; the others answer with Heartbeat
	MessageHeartbeat    MessageType = 2  // HEARTBEAT: a node is alive
	MessageBroadcast    MessageType = 3  // BROADCAST
	MessageJoin         MessageType = 4  // SOCKETS_JOIN
	MessageLeave        MessageType = 5  // SOCKETS_LEAVE
	MessageDisconnect   MessageType = 6  // DISCONNECT_SOCKETS
	MessageFetch        MessageType = 7  // FETCH_SOCKETS
	MessageSockets      MessageType = 8  // FETCH_SOCKETS_RESPONSE, once from each node
	MessageServerEvent  MessageType = 9  // SERVER_SIDE_EMIT
	MessageServerAnswer MessageType = 10 // SERVER_SIDE_EMIT_RESPONSE, once from each node
	MessageClientCount  MessageType = 11 // BROADCAST_CLIENT_COUNT: how many will answer, once from each node
	MessageClientAnswer MessageType = 12 // BROADCAST_ACK, once from each client
	MessageGoodbye      MessageType = 13 // ADAPTER_CLOSE: a node goes
)

const (
	emitterName   = "emitter" // what emitters that are no nodes call themselves
	maxIdentifier = 128       // bytes of a node's name, and of a request's
	maxCount      = 1_000_000 // clients of one node that may answer
	maxAskedIDs   = 1_000     // of them, if they are named
)

var messageNames = [...]string{"", "hello", "heartbeat", "broadcast", "join", "leave", "disconnect", "fetch", "sockets",
	"server event", "server answer", "client count", "client answer", "goodbye"}

// String returns the name of the type, for example "client count".
func (t MessageType) String() string {
	if t > 0 && int(t) < len(messageNames) {
		return messageNames[t]
	}
	return fmt.Sprintf("message type %d", uint8(t))
}

// A Message is what nodes tell each other. It is immutable once it is given to
// a Link or a Receiver. Fields that its type has no use for are zero:
//
//	Broadcast     Packet, Selection; Request, Timeout and Detailed to be answered
//	Join, Leave   Selection, Rooms
//	Disconnect    Selection, Close
//	Fetch         Selection, Request
//	Sockets       Request, Sockets
//	ServerEvent   Packet; Request to be answered
//	ServerAnswer  Request, Answer
//	ClientCount   Request, Count; Asked to a Detailed request
//	ClientAnswer  Request, Answer; Socket and Err to a Detailed request
type Message struct {
	Type      MessageType
	From      string // name of the node; "emitter" for those that are none
	To        string // name of the node it is for; "" means all others
	Namespace string

	// Seq counts the messages of From to all, and those to each To, from 1. Zero
	// means that they are not counted.
	Seq uint64

	Request   string // which request this is, or answers
	Packet    *Packet
	Selection Selection // Flags.Local is never set
	Rooms     []string
	Close     bool
	Sockets   []Info
	Count     int            // of clients
	Asked     []string       // the ids of these; none, if they are not known or too many
	Answer    sioparser.Args // one value, or none
	Timeout   time.Duration  // how long answers are waited for; 0: not said
	Detailed  bool           // those who answer may be named, and why they do not
	Socket    string         // id of the socket that answers
	Err       string         // why there is no answer; not empty: Answer is none
}

// A Codec is an encoding of messages. It is safe for concurrent use.
//
// Encodings may leave out To, Seq, Detailed, Asked, Socket and Err, and the
// name of the namespace where the channel has it. They carry one value of an
// Answer.
type Codec interface {
	// Append appends m to dst. ErrBinary says that the codec has no form for
	// the attachments of m.
	Append(dst []byte, m *Message) ([]byte, error)
	// Decode returns the message of b, all of which it is, in memory of its
	// own. b may be anything. What it returns is valid: see [Message.Validate].
	Decode(b []byte) (*Message, error)
}

var (
	// ErrBinary is for messages with attachments and codecs that have no form
	// for them.
	ErrBinary = errors.New("sioadapter: the encoding has no form for attachments")
	// ErrMessage is the cause of all errors about malformed messages.
	ErrMessage = errors.New("sioadapter: malformed message")
)

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMessage, fmt.Sprintf(format, args...))
}

// Validate reports whether the fields that the type needs are there, and fit.
// It does not ask for From, which some encodings leave out of answers. Errors
// are ErrMessage.
func (m *Message) Validate() error {
	if len(m.From) > maxIdentifier || len(m.To) > maxIdentifier || len(m.Request) > maxIdentifier {
		return malformed("a node or request with more than %d bytes in its name", maxIdentifier)
	}
	switch m.Type {
	case MessageHello, MessageHeartbeat, MessageGoodbye, MessageJoin, MessageLeave, MessageDisconnect:
		return nil
	case MessageBroadcast, MessageServerEvent:
		if m.Packet == nil {
			return malformed("%v without a packet", m.Type)
		}
		return checkEvent(m.Packet.Args)
	case MessageFetch, MessageSockets, MessageServerAnswer, MessageClientCount, MessageClientAnswer:
		if m.Request == "" {
			return malformed("%v without a request id", m.Type)
		}
		if m.Count < 0 || m.Count > maxCount || m.Answer.Len() > 1 {
			return malformed("%v with a count of %d and %d values", m.Type, m.Count, m.Answer.Len())
		}
		if len(m.Asked) > 0 && len(m.Asked) != m.Count || len(m.Asked) > maxAskedIDs {
			return malformed("%v with a count of %d and %d ids", m.Type, m.Count, len(m.Asked))
		}
		return nil
	}
	return malformed("there is no %v", m.Type)
}

// checkEvent reports whether the first argument can be the name of an event.
func checkEvent(a sioparser.Args) error {
	if a.Len() == 0 {
		return malformed("an event without a name")
	}
	raw := a.At(0)
	if raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9' { // JavaScript admits numbers
		return nil
	}
	if raw[0] != '"' {
		return malformed("an event whose name is %.20s", raw)
	}
	name := string(raw[1 : len(raw)-1])
	if strings.Contains(name, `\`) {
		if err := a.Decode(&name); err != nil {
			return malformed("an event whose name is %.20s", raw)
		}
	}
	switch name {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return malformed("an event with the reserved name %s", name)
	}
	return nil
}

// size is about how many bytes m takes in a queue.
func (m *Message) size() int {
	n := overhead + sizeOf(m.Answer)
	if m.Packet != nil {
		n += sizeOf(m.Packet.Args)
	}
	for _, list := range [][]string{m.Rooms, m.Asked, m.Selection.Rooms, m.Selection.Except} {
		for _, room := range list {
			n += len(room)
		}
	}
	for i := range m.Sockets {
		s := &m.Sockets[i]
		n += overhead + len(s.ID) + len(s.Handshake) + len(s.Data)
		for _, room := range s.Rooms {
			n += len(room)
		}
	}
	return n
}
