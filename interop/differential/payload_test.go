package differential

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

var jsonp = regexp.MustCompile(`^(___eio\[[0-9]*\]\()(".*")(\);)$`)

// decodePayload splits the answer to a poll into packets, without our parser.
// form says how they were packed.
func decodePayload(a *answer) (packets []string, form string, err error) {
	if a.broken != "" {
		return nil, "", fmt.Errorf("%s", a.broken)
	}
	body := a.body
	if m := jsonp.FindStringSubmatch(body); m != nil {
		form = "jsonp " + m[1] + m[3] + " "
		if err := json.Unmarshal([]byte(m[2]), &body); err != nil {
			return nil, "", fmt.Errorf("script %q: %w", a.body, err)
		}
	}
	switch {
	case slices.Contains(a.header, "content-type: application/octet-stream"):
		packets, err = decodeBinary(body)
		return packets, form + "binary", err
	case lengthBefore.MatchString(body):
		packets, err = decodeLengths(body)
		return packets, form + "lengths", err
	}
	return strings.Split(body, "\x1e"), form + "separators", nil
}

// unpack puts the packets in the place of the body, if the answer has any.
func unpack(st *step, a answer) *answer {
	if a.status != 200 || st.method != "GET" {
		return &a
	}
	packets, form, err := decodePayload(&a)
	if err != nil {
		a.broken = err.Error()
		return &a
	}
	a.body = form + " " + strings.Join(packets, "\x1e")
	return &a
}

var lengthBefore = regexp.MustCompile(`^[0-9]+:`)

// decodeLengths is revision 3: lengths in UTF-16 code units.
func decodeLengths(body string) (packets []string, err error) {
	for rest := utf16.Encode([]rune(body)); len(rest) > 0; {
		colon := slices.Index(rest, ':')
		if colon < 0 {
			return nil, fmt.Errorf("payload %q: a length is missing", body)
		}
		n, err := strconv.Atoi(string(utf16.Decode(rest[:colon])))
		if rest = rest[colon+1:]; err != nil || n > len(rest) {
			return nil, fmt.Errorf("payload %q: a length is wrong", body)
		}
		packets = append(packets, string(utf16.Decode(rest[:n])))
		rest = rest[n:]
	}
	return packets, nil
}

// decodeBinary is revision 3 with binary packets: 00 or 01, digits, FF, data.
// With an error, it returns the packets before the damage.
func decodeBinary(body string) (packets []string, err error) {
	for rest := body; rest != ""; {
		end := strings.IndexByte(rest, 0xFF)
		if end < 2 || rest[0] > 1 {
			return packets, fmt.Errorf("payload %q: a length is missing", body)
		}
		n := 0
		for _, digit := range []byte(rest[1:end]) {
			n = 10*n + int(digit)
		}
		kind := rest[0]
		if rest = rest[end+1:]; n > len(rest) {
			return packets, fmt.Errorf("payload %q: a length is wrong", body)
		}
		if kind == 0 {
			packets = append(packets, rest[:n])
		} else {
			packets = append(packets, fmt.Sprintf("binary %x", rest[:n]))
		}
		rest = rest[n:]
	}
	return packets, nil
}
