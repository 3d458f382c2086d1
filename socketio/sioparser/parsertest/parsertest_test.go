package parsertest_test

import (
	"encoding/json"
	"testing"

	"github.com/siogo/sio/socketio/sioparser"
	"github.com/siogo/sio/socketio/sioparser/parsertest"
)

type codec struct{}

func (codec) Marshal(v any) ([]byte, error)      { return json.Marshal(v) }
func (codec) Unmarshal(data []byte, v any) error { return json.Unmarshal(data, v) }

func TestParsers(t *testing.T) {
	for name, p := range map[string]sioparser.Parser{
		"JSON":              sioparser.JSON(nil),
		"JSON with a codec": sioparser.JSON(codec{}),
		"MsgPack":           sioparser.MsgPack(),
		"MsgPackTimestamps": sioparser.MsgPackTimestamps(),
	} {
		t.Run(name, func(t *testing.T) { parsertest.Run(t, p) })
	}
}
