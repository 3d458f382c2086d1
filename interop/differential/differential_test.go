package differential

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

var (
	seed    = flag.Uint64("seed", 1, "seed of the generated scripts")
	scripts = flag.Int("scripts", 600, "how many scripts are generated")
	only    = flag.Int("script", -1, "run only this one of them")
)

// workers is how many scripts run at the same time; most of the time they wait.
const workers = 24

// TestDeviations shows each deviation in a script of its own. One that does not
// occur any more fails, and is to be taken out of the list.
func TestDeviations(t *testing.T) {
	ours, theirs := startOurs(t), startReference(t)
	for _, d := range deviations {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			s := d.example
			s.name = fmt.Sprintf("difference %d", d.number)
			met, err := run(&s, ours, theirs)
			if err != nil {
				t.Errorf("%s%v", &s, err)
			}
			if !met[d.name] {
				t.Errorf("%sthe difference did not occur, but %q did", &s, slices.Sorted(maps.Keys(met)))
			}
		})
	}
}

// TestDeviationsAreDocumented: docs/differences.md lists the very deviations
// that the comparison accepts.
func TestDeviationsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/differences.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]string) // number by name
	for _, row := range strings.Split(string(page), "\n") {
		number, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " |")
		for _, m := range subtest.FindAllStringSubmatch(row, -1) {
			documented[m[1]] = number
		}
	}
	for _, d := range deviations {
		if got, want := documented[d.name], strconv.Itoa(d.number); got != want {
			t.Errorf("deviation %s has number %s here and %q in the document", d.name, want, got)
		}
		delete(documented, d.name)
	}
	for name, number := range documented {
		t.Errorf("the document says that TestDeviations/%s shows difference %s, and there is no such deviation", name, number)
	}
}

var subtest = regexp.MustCompile("`TestDeviations/(\\w+)`")

func TestGenerated(t *testing.T) {
	ours, theirs := startOurs(t), startReference(t)
	t.Logf("seed %d; -seed and -script run the same again", *seed)
	numbers := make(chan int)
	var running sync.WaitGroup
	for range workers {
		running.Go(func() { // ends with the numbers; awaited below
			for n := range numbers {
				s := generate(*seed, n)
				if _, err := run(s, ours, theirs); err != nil {
					t.Errorf("%s%v", s, err)
				}
			}
		})
	}
	for n := range *scripts {
		if *only < 0 || n == *only {
			numbers <- n
		}
	}
	close(numbers)
	running.Wait()
}
