package eioparser_test

import (
	"errors"
	"fmt"

	"github.com/siogo/sio/engineio/eioparser"
)

func ExampleDecodePayload() {
	packets, err := eioparser.DecodePayload(eioparser.V4, []byte("4hello\x1ebAQID\x1e2"), 16)
	for _, p := range packets {
		fmt.Printf("%v binary=%t %q\n", p.Type, p.Binary, p.Data)
	}
	fmt.Println(err)
	// Output:
	// message binary=false "hello"
	// message binary=true "\x01\x02\x03"
	// ping binary=false ""
	// <nil>
}

func ExampleDecodePayload_error() {
	packets, err := eioparser.DecodePayload(eioparser.V4, []byte("4hello\x1e7"), 16)
	fmt.Println(len(packets), err, errors.Is(err, eioparser.ErrPacketType))
	// Output: 1 eioparser: at byte 7: a packet type is 0 to 6, got '7' true
}

func ExampleAppendPayload() {
	packets := []eioparser.Packet{
		{Type: eioparser.Message, Data: []byte("😀")},
		{Type: eioparser.Message, Binary: true, Data: []byte{1, 2, 3}},
	}
	fmt.Printf("%q\n", eioparser.AppendPayload(nil, eioparser.V3, packets))
	fmt.Printf("%q\n", eioparser.AppendPayload(nil, eioparser.V4, packets))
	// Output:
	// "3:4😀6:b4AQID"
	// "4😀\x1ebAQID"
}

func ExamplePacketsBinary() {
	body := eioparser.AppendPayloadBinary(nil, eioparser.Packet{Type: eioparser.Message, Data: []byte("hello")})
	body = eioparser.AppendPayloadBinary(body, eioparser.Packet{Type: eioparser.Message, Binary: true, Data: []byte{1, 2, 3}})
	fmt.Printf("% x\n", body)
	for p, err := range eioparser.PacketsBinary(body) {
		fmt.Printf("%v binary=%t %q %v\n", p.Type, p.Binary, p.Data, err)
	}
	// Output:
	// 00 06 ff 34 68 65 6c 6c 6f 01 04 ff 04 01 02 03
	// message binary=false "hello" <nil>
	// message binary=true "\x01\x02\x03" <nil>
}

func ExampleDecodeText() {
	for _, frame := range []string{"2probe", "b4AQID", "4"} {
		p, err := eioparser.DecodeText(eioparser.V3, []byte(frame))
		fmt.Printf("%v binary=%t %q %v\n", p.Type, p.Binary, p.Data, err)
	}
	// Output:
	// ping binary=false "probe" <nil>
	// message binary=true "\x01\x02\x03" <nil>
	// message binary=false "" <nil>
}

func ExampleReadFrameHeader() {
	stream := eioparser.AppendFrameHeader(nil, eioparser.FrameHeader{Length: 6})
	stream = append(stream, "4hello"...)
	h, n, err := eioparser.ReadFrameHeader(stream)
	p, _ := eioparser.DecodeText(eioparser.V4, stream[n:n+int(h.Length)])
	fmt.Printf("%v %q %v\n", p.Type, p.Data, err)
	// Output: message "hello" <nil>
}
