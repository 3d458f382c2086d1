package eioclient

// errClosed is what every CloseError is: the same as net.ErrClosed to
// errors.Is, without linking package net, which is of no other use here.
var errClosed error = closedError{}

type closedError struct{}

func (closedError) Error() string { return "use of closed network connection" }

func (e closedError) Is(target error) bool { return target.Error() == e.Error() }
