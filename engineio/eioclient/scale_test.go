//go:build !race && !js

package eioclient

const scale = 1
