package main

import (
	"encoding/json"
	"os"
	"strings"
	"unicode"
)

// argument turns what was typed into a value to be emitted: JSON stands for
// itself, @FILE for the bytes of a file, and everything else for a string.
func argument(word string) (any, error) {
	if name, ok := strings.CutPrefix(word, "@"); ok && name != "" {
		return os.ReadFile(name)
	}
	if json.Valid([]byte(word)) {
		return json.RawMessage(word), nil
	}
	return word, nil
}

func arguments(words []string) ([]any, error) {
	args := make([]any, 0, len(words))
	for _, w := range words {
		a, err := argument(w)
		if err != nil {
			return nil, err
		}
		args = append(args, a)
	}
	return args, nil
}

// words splits a line at spaces outside of quotes and brackets, so that JSON
// stays in one piece. Quotes stay where they are, since they are JSON; single
// quotes hold a word together and are taken off.
func words(line string) (list []string, err error) {
	var word strings.Builder
	var brackets []rune
	inWord, quoted, escaped, single := false, false, false, false
	flush := func() {
		if inWord {
			list = append(list, word.String())
		}
		word.Reset()
		inWord = false
	}
	for _, r := range line {
		switch {
		case single:
			if single = r != '\''; single {
				word.WriteRune(r)
			}
			continue
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = r == '\\', r != '"'
		case r == '"':
			quoted = true
		case r == '\'' && !inWord && len(brackets) == 0:
			single, inWord = true, true
			continue
		case r == '{':
			brackets = append(brackets, '}')
		case r == '[':
			brackets = append(brackets, ']')
		case len(brackets) > 0 && r == brackets[len(brackets)-1]:
			brackets = brackets[:len(brackets)-1]
		case unicode.IsSpace(r) && len(brackets) == 0:
			flush()
			continue
		}
		inWord = true
		word.WriteRune(r)
	}
	flush()
	switch {
	case quoted, single:
		return nil, usagef("a quote is not closed")
	case len(brackets) > 0:
		return nil, usagef("a bracket is not closed: %q is missing", string(brackets[len(brackets)-1]))
	}
	return list, nil
}
