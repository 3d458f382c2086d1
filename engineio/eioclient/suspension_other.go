//go:build !linux && !js

package eioclient

import "time"

// systemSleep knows of no sleep: the monotonic clock goes on in it (Windows),
// or there is no way to ask.
func systemSleep() time.Duration { return 0 }
