//go:build race && !js

package sioclient

// scale divides the size of the long tests under the race detector, which
// makes everything about ten times slower.
const scale = 10
