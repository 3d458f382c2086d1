// Package leak tells what a process holds, for tests that look for what is left
// behind: its goroutines by their stacks, its open files, and its heap.
package leak

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
)

// A Residue is what a process holds at one time.
type Residue struct {
	Goroutines map[string]int // by their stacks: the functions, innermost first, a line each
	Files      int            // open file descriptors; 0 where they cannot be listed
	Heap       uint64         // bytes of objects that two garbage collections have left
}

// Take returns what the process holds now.
func Take() Residue {
	runtime.GC()
	runtime.GC() // what the first has put into the second generation of pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var profile bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&profile, 1) // into memory
	files, _ := os.ReadDir("/proc/self/fd")
	return Residue{Goroutines: stacks(&profile), Files: len(files), Heap: m.HeapAlloc}
}

// stacks counts the goroutines of a profile in text form.
func stacks(profile *bytes.Buffer) map[string]int {
	counts := make(map[string]int)
	n, functions := 0, []string(nil)
	end := func() {
		if n > 0 {
			counts[strings.Join(functions, "\n")] += n
		}
		n, functions = 0, nil
	}
	for lines := bufio.NewScanner(profile); lines.Scan(); {
		line := lines.Text()
		switch fields := strings.Fields(line); {
		case line == "":
			end()
		case strings.HasPrefix(line, "#") && len(fields) >= 3:
			functions = append(functions, strings.SplitN(fields[2], "+0x", 2)[0])
		case len(fields) > 1 && fields[1] == "@":
			fmt.Sscan(fields[0], &n)
		}
	}
	end()
	return counts
}

// Count returns how many goroutines there are.
func (r Residue) Count() (n int) {
	for _, k := range r.Goroutines {
		n += k
	}
	return n
}

// Beyond returns of which goroutines there are more than in base, as text: how
// many more, and their stack.
func (r Residue) Beyond(base Residue) (more []string) {
	for stack, n := range r.Goroutines {
		if k := n - base.Goroutines[stack]; k > 0 {
			more = append(more, fmt.Sprintf("%d more of\n\t%s", k, strings.ReplaceAll(stack, "\n", "\n\t")))
		}
	}
	slices.Sort(more)
	return more
}
