//go:build !race

package socketio_test

const scale = 1
