package sioparser_test

import (
	"fmt"

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
