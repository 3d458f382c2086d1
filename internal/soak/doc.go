// Package soak plays a server in a process of its own, under clients in
// another: thousands of connections for a long time, signals, and limits of the
// operating system. It has tests only.
//
//	go test ./internal/soak -run Soak -connections 10000 -churn 100 -for 10m -v
package soak
