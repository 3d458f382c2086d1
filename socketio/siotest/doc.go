// Package siotest helps to test Socket.IO applications: the server runs in the
// test's process, and clients talk to it over loopback TCP ([NewServer]) or in
// memory ([Pipe]).
//
// In memory, nothing waits on the operating system: inside a bubble of
// testing/synctest, heartbeats, timeouts and reconnections pass in virtual
// time.
//
// Everything is closed by the cleanup of the test.
package siotest
