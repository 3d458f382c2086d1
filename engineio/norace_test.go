//go:build !race

package engineio

const scale = 1
