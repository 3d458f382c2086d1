//go:build !js

// Command page is the page of the board: it is compiled to WebAssembly, with
// GOOS=js and GOARCH=wasm. Elsewhere there is nothing to do for it.
package main

func main() { println("this is the program of a web page: see examples/wasm") }
