//go:build !race && !js

package sioclient

const scale = 1
