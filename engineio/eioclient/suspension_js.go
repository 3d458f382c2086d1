package eioclient

import "time"

// loaded is when the page was.
var loaded = time.Now()

// systemSleep takes every gap between the clocks for sleep: a page cannot ask,
// and of the reasons for a gap it is the most frequent by far.
func systemSleep() time.Duration {
	return clockGap(loaded, time.Now())
}
