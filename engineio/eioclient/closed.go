//go:build !js

package eioclient

import "net"

// errClosed is what every CloseError is.
var errClosed = net.ErrClosed
