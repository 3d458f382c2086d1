package sioparser_test

import (
	"fmt"
	"time"

	"github.com/siogo/sio/socketio/sioparser"
)

func ExampleParser() {
	type Upload struct {
		Name string `json:"name"`
		Data []byte `json:"data"`
	}
	p := sioparser.JSON(nil)
	text, attachments, err := p.AppendPacket(nil, sioparser.Header{Type: sioparser.Event, Namespace: "/files"}, "upload", Upload{"a.txt", []byte("hello")})
	fmt.Printf("%s\n%q %v\n", text, attachments, err)
	// Output:
	// 51-/files,["upload",{"name":"a.txt","data":{"_placeholder":true,"num":0}}]
	// ["hello"] <nil>
}

func ExampleDecoder() {
	d := sioparser.JSON(nil).NewDecoder(nil)
	p, ok, err := d.Add([]byte(`2/chat,7["message",{"text":"hi"},3]`), false)
	if err != nil || !ok {
		fmt.Println(ok, err)
		return
	}
	var message struct{ Text string }
	var times int
	err = p.Args.Shift().Decode(&message, &times)
	fmt.Println(p.Type, p.Namespace, p.ID, string(p.Name()), message.Text, times, err)

	_, _, err = d.Add([]byte(`2["connect"]`), false)
	fmt.Println(err)
	// Output:
	// event /chat 7 message hi 3 <nil>
	// sioparser: invalid payload: event name: "connect" is reserved (at byte 1)
}

func ExampleArgs_Decode() {
	args, _ := sioparser.NewArgs([]byte(`["lobby",{"_placeholder":true,"num":0},"three"]`), []byte("bytes"))
	var room string
	var data any
	var count int
	fmt.Println(args.Decode(&room, &data, &count))
	fmt.Printf("%s %s\n", room, data)
	// Output:
	// sioparser: argument 2: json: cannot unmarshal string into Go value of type int
	// lobby bytes
}

// What is sent to many is encoded once and framed for each.
func ExampleParser_broadcast() {
	p := sioparser.JSON(nil)
	args, _ := p.EncodeArgs("news", "hello", 1)
	for _, namespace := range []string{"/", "/admin"} {
		fmt.Printf("%s\n", p.AppendArgs(nil, sioparser.Header{Type: sioparser.Event, Namespace: namespace}, args))
	}
	// Output:
	// 2["news","hello",1]
	// 2/admin,["news","hello",1]
}

func ExampleMsgPack() {
	type Upload struct {
		Name string    `json:"name"`
		Data []byte    `json:"data"`
		At   time.Time `json:"at"`
	}
	p := sioparser.MsgPack()
	frame, _, err := p.AppendPacket(nil, sioparser.Header{Type: sioparser.Event, Namespace: "/files"}, "upload", Upload{"a.txt", []byte("hello"), time.UnixMilli(0)})
	fmt.Printf("%q %v\n", frame, err)

	packet, _, err := p.NewDecoder(nil).Add(frame, p.Binary())
	if err != nil {
		fmt.Println(err)
		return
	}
	var got Upload
	err = packet.Args.Shift().Decode(&got)
	fmt.Printf("%s %s %s %v %v\n", packet.Name(), got.Name, got.Data, got.At, err)
	// Output:
	// "\x83\xa4type\x02\xa4data\x92\xa6upload\x83\xa4name\xa5a.txt\xa4data\xc4\x05hello\xa2at\xd7\x00\x00\x00\x00\x00\x00\x00\x00\x00\xa3nsp\xa6/files" <nil>
	// upload a.txt hello 1970-01-01 00:00:00 +0000 UTC <nil>
}

// What was encoded for one kind of clients is sent to the other.
func ExampleArgs_For() {
	args, _ := sioparser.MsgPack().EncodeArgs("photo", []byte("bytes"))
	p := sioparser.JSON(nil)
	fmt.Printf("%s %q\n", p.AppendArgs(nil, sioparser.Header{Type: sioparser.Event}, args), args.For(p).Attachments())
	fmt.Printf("%s\n", args.Raw())
	// Output:
	// 51-["photo",{"_placeholder":true,"num":0}] ["bytes"]
	// ["photo","Ynl0ZXM="]
}
