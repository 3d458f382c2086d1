package event

import (
	"bytes"
	"encoding/json"
)

// A Convention says how the outcome of an event travels in its
// acknowledgement. The reference implementation has none. It is given to
// NewRPC as a setting; a Go caller sees an *Error with all but Raw.
type Convention uint8

const (
	// Plain answers [result], so that emitWithAck in JavaScript resolves with
	// it, and [{"error":{"code":…,"message":…,"data":…}}] on failure. An answer
	// counts as a failure when it is an object with this one member; {"error":
	// "text"} counts too. The default.
	Plain Convention = iota
	// ErrorFirst answers [null, result], and [{"code":…,"message":…,"data":…}]
	// on failure, as callbacks in Node.js do.
	ErrorFirst
	// Raw answers [result]. A failure is not answered: the caller times out.
	// It is for results that tell of failures in a form of their own.
	Raw
)

func (c Convention) String() string {
	switch c {
	case Plain:
		return "plain"
	case ErrorFirst:
		return "error first"
	case Raw:
		return "raw"
	}
	return "unknown convention"
}

func (c Convention) set(s *settings) { s.convention = c }

// Success returns the arguments that report result, the arguments of a result.
func (c Convention) Success(result ...any) []any {
	if c == ErrorFirst {
		return append([]any{nil}, result...)
	}
	return result
}

// Failure returns the arguments that report e; ok is false when e is not to be
// reported.
func (c Convention) Failure(e *Error) (args []any, ok bool) {
	switch c {
	case Plain:
		return []any{failure{e}}, true
	case ErrorFirst:
		return []any{e}, true
	}
	return nil, false
}

type failure struct {
	Error *Error `json:"error"`
}

// Split takes an answer apart: the arguments of the result, or the error that
// the other side reported.
func (c Convention) Split(answer Args) (Args, error) {
	switch c {
	case Plain:
		if e := plainFailure(answer.At(0)); e != nil {
			return Args{}, e
		}
	case ErrorFirst:
		if raw := answer.At(0); raw != nil && string(raw) != "null" {
			return Args{}, parseError(raw)
		}
		answer = answer.Shift()
	}
	return answer, nil
}

// plainFailure returns the error in raw, nil when raw is a result.
func plainFailure(raw []byte) *Error {
	if len(raw) == 0 || raw[0] != '{' || !bytes.HasPrefix(bytes.TrimLeft(raw[1:], " \t\r\n"), []byte(`"error"`)) {
		return nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil || len(members) != 1 {
		return nil
	}
	inner := members["error"]
	if len(inner) == 0 || inner[0] != '{' && inner[0] != '"' {
		return nil
	}
	return parseError(inner)
}

// parseError makes an Error of any JSON value: an object with the members of
// Error, or something that serves as its message.
func parseError(raw []byte) *Error {
	var e struct {
		Code    string          `json:"code"`
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data"`
	}
	if json.Unmarshal(raw, &e) == nil && (e.Code != "" || e.Message != "") {
		err := &Error{Code: e.Code, Message: e.Message}
		if len(e.Data) > 0 && string(e.Data) != "null" {
			err.Data = e.Data
		}
		return err
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return &Error{Message: text}
	}
	return &Error{Message: "the peer reported an error", Data: json.RawMessage(bytes.Clone(raw))}
}
