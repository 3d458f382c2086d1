package differential

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A side is one server as a script sees it.
type side struct {
	server   server
	addr     string
	sessions []*session
	asked    []*asked // every request but polls, by step
	sockets  map[int]*peer
}

// A session is one that a script named, whether or not it came to be.
type session struct {
	sid     string
	packets []string           // what came in answers to polls, in order
	heads   map[string]*answer // of these answers, by their order; of those to polls that waited, each once
	refused []*answer          // to polls
	parked  *request           // the poll that waits
	query   string             // of that poll
	header  []string
	again   bool // poll again when it is answered: the next answer may have the rest
}

type asked struct {
	step    int
	session int
	request *request
}

// An observation is all there is to see of a side. It can be compared with
// reflect.DeepEqual.
type observation struct {
	Answers  map[int]*answer // by step; nil while there is none
	Sessions []sessionView
	Sockets  map[int][]string // frames
}

type sessionView struct {
	Packets []string
	Heads   []*answer // of the answers to polls; the body is the payload's form
	Refused []*answer // of the polls that were
	Parked  bool
	Fate    *fate
}

func newSide(s server, config string, sessions int) *side {
	d := &side{server: s, addr: s.addr(config), sockets: make(map[int]*peer)}
	for i := range sessions {
		d.sessions = append(d.sessions, &session{sid: fmt.Sprintf("no-session-%d", i), heads: make(map[string]*answer)})
	}
	return d
}

// close ends what is still there.
func (d *side) close() {
	for _, a := range d.asked {
		a.request.nc.Close()
	}
	for _, s := range d.sessions {
		if s.parked != nil {
			s.parked.nc.Close()
		}
	}
	for _, p := range d.sockets {
		p.nc.Close()
	}
}

// perform does a step, without waiting for what it brings about.
func (d *side) perform(i int, st *step) error {
	switch st.do {
	case ask:
		query := st.query
		if st.session >= 0 {
			query = strings.ReplaceAll(query, "$sid", d.sessions[st.session].sid)
		}
		r, err := send(d.addr, st.method, "/engine.io/"+st.path+"?"+query, st.header, st.body, st.part)
		if err != nil {
			return err
		}
		if s := d.sessionOf(st); st.poll && s.parked == nil {
			s.parked, s.query, s.header, s.again = r, query, st.header, false
		} else {
			d.asked = append(d.asked, &asked{i, st.session, r})
		}
	case finish:
		for _, a := range d.asked {
			if a.session == st.session && a.request.rest != nil {
				a.request.finish()
			}
		}
	case dropAsk:
		if s := d.sessionOf(st); s.parked != nil {
			s.parked.nc.Close()
			s.parked = nil
		}
		for _, a := range d.asked {
			if a.session == st.session && !a.request.answered() {
				a.request.nc.Close()
			}
		}
	case transmit:
		if p := d.sockets[st.socket]; p != nil {
			p.nc.Write(st.frames) // an error shows in what is read
		}
	case hangUp:
		if p := d.sockets[st.socket]; p != nil {
			p.nc.Close()
		}
	}
	return nil
}

func (d *side) sessionOf(st *step) *session {
	if st.session < 0 {
		return nil
	}
	return d.sessions[st.session]
}

// observe takes in what has arrived. Polls that were answered are repeated.
// The fates of sessions are left out.
func (d *side) observe(s *script) (*observation, error) {
	o := &observation{Answers: make(map[int]*answer), Sockets: make(map[int][]string)}
	for _, a := range d.asked {
		if !a.request.answered() {
			o.Answers[a.step] = nil
			continue
		}
		d.learn(s, a)
		o.Answers[a.step] = d.clone(unpack(&s.steps[a.step], a.request.answer))
	}
	for i, p := range d.sockets {
		seen := p.seen()
		for j, f := range seen {
			seen[j] = d.anonymous(f)
		}
		o.Sockets[i] = seen
	}
	for _, s := range d.sessions {
		if err := d.absorb(s); err != nil {
			return nil, err
		}
		v := sessionView{Parked: s.parked != nil}
		for _, p := range s.packets {
			v.Packets = append(v.Packets, d.anonymous(p))
		}
		for _, key := range slices.Sorted(maps.Keys(s.heads)) {
			v.Heads = append(v.Heads, d.clone(s.heads[key]))
		}
		for _, a := range s.refused {
			v.Refused = append(v.Refused, d.clone(a))
		}
		o.Sessions = append(o.Sessions, v)
	}
	return o, nil
}

// learnFates completes an observation.
func (d *side) learnFates(o *observation) (err error) {
	for i, s := range d.sessions {
		if o.Sessions[i].Fate, err = d.server.fate(s.sid); err != nil {
			return err
		}
	}
	return nil
}

func (d *side) clone(a *answer) *answer {
	b := *a
	b.body = d.anonymous(b.body)
	b.header = nil
	for _, line := range a.header {
		b.header = append(b.header, d.anonymous(line))
	}
	return &b
}

var sidIn = regexp.MustCompile(`"sid\\?":\\?"([\w-]+)`)

// learn takes the session's id from a handshake, and the WebSocket from an
// upgrade.
func (d *side) learn(s *script, a *asked) {
	st := &s.steps[a.step]
	if m := sidIn.FindStringSubmatch(a.request.answer.body); m != nil && st.session >= 0 {
		d.sessions[st.session].sid = m[1]
	}
	if a.request.br == nil || st.socket < 0 {
		return
	}
	p := d.sockets[st.socket]
	if p == nil {
		p = newPeer(a.request)
		d.sockets[st.socket] = p
	}
	if st.session >= 0 && !strings.Contains(st.query, "$sid") {
		for _, f := range p.seen() {
			if m := sidIn.FindStringSubmatch(f); m != nil {
				d.sessions[st.session].sid = m[1]
			}
		}
	}
}

// anonymous replaces session ids.
func (d *side) anonymous(text string) string {
	for i, s := range d.sessions {
		text = strings.ReplaceAll(text, s.sid, fmt.Sprintf("<sid %d>", i))
	}
	return text
}

// absorb takes in the answer to a session's poll, if it is there. How many
// packets share an answer is a matter of timing, so a poll that waited is
// repeated until one waits again, and only the packets are compared.
func (d *side) absorb(s *session) error {
	for s.parked != nil && s.parked.answered() {
		a := s.parked.answer
		s.parked = nil
		packets, form, err := decodePayload(&a)
		if err != nil || a.status != 200 {
			s.refused = append(s.refused, &a)
			return nil
		}
		s.packets = append(s.packets, packets...)
		key := fmt.Sprintf("%3d", len(s.heads))
		a.body = form
		if s.again { // how much there is in it, and hence its form, is a matter of timing too
			a.body = ""
			a.header = slices.DeleteFunc(slices.Clone(a.header), dependsOnBody)
			key = fmt.Sprintf("~ %q", a.header)
		}
		s.heads[key] = &a
		last := packets[len(packets)-1]
		if !s.again || last == "6" || last == "1" {
			return nil
		}
		if s.parked, err = send(d.addr, "GET", "/engine.io/?"+s.query, s.header, "", -1); err != nil {
			return err
		}
	}
	return nil
}

func dependsOnBody(header string) bool {
	name, value, _ := strings.Cut(header, ": ")
	return name == "length" || name == "content-encoding" || name == "content-type" || value == "Accept-Encoding"
}

// An execution is a script on its way through both servers.
type execution struct {
	script       *script
	ours, theirs *side
	met          map[string]bool // names of the deviations that occurred
	over         bool            // one of them was the kind after which the sides may differ
}

// run executes a script. It returns the deviations that occurred, and an
// error that describes a difference that none of them explains.
func run(s *script, ours, theirs server) (met map[string]bool, err error) {
	sessions := 0
	for _, st := range s.steps {
		sessions = max(sessions, st.session+1)
	}
	x := &execution{
		script: s, met: make(map[string]bool),
		ours: newSide(ours, s.config, sessions), theirs: newSide(theirs, s.config, sessions),
	}
	defer x.ours.close()
	defer x.theirs.close()
	for i := range s.steps {
		for _, d := range x.sides() {
			if err := d.perform(i, &s.steps[i]); err != nil {
				return x.met, fmt.Errorf("step %d: %w", i, err)
			}
		}
		if err := x.settle(i); err != nil || x.over {
			return x.met, err
		}
	}
	return x.met, nil
}

const (
	quiet     = 30 * time.Millisecond  // without any change, two observations that are equal count
	certainly = 250 * time.Millisecond // the same for two that a deviation explains
)

// settle waits until both sides show the same, or what deviations explain.
func (x *execution) settle(i int) error {
	need := max(quiet, x.script.steps[i].wait)
	var last [2]*observation
	begin, changed, knocks := time.Now(), time.Now(), 0
	for ; ; time.Sleep(5 * time.Millisecond) {
		now, err := x.look()
		if err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
		if !reflect.DeepEqual(now, last) {
			last, changed, knocks = now, time.Now(), 0
		}
		still, late := time.Since(changed), time.Since(begin) > patience+need
		switch {
		case late:
		case still < need:
			continue
		case knocks < 2: // quiet, but on a busy machine that may mean slow
			if err := x.knock(); err != nil {
				return fmt.Errorf("step %d: %w", i, err)
			}
			knocks++
			continue
		}
		for k, d := range x.sides() {
			now[k] = clone(now[k]) // the one without fates is compared with the next
			if err := d.learnFates(now[k]); err != nil {
				return fmt.Errorf("step %d: %w", i, err)
			}
		}
		verdict := compare(x.script, i, now[0], now[1])
		switch {
		case verdict.same && (still >= certainly || !verdict.patient):
			for n := range verdict.met {
				x.met[n] = true
			}
			x.over = verdict.over
			x.parkAll()
			return nil
		case late:
			return fmt.Errorf("step %d: %s", i, verdict.difference)
		}
	}
}

// sides returns ours and theirs.
func (x *execution) sides() [2]*side { return [2]*side{x.ours, x.theirs} }

// look observes both sides.
func (x *execution) look() (now [2]*observation, err error) {
	for k, d := range x.sides() {
		if now[k], err = d.observe(x.script); err != nil {
			return now, err
		}
	}
	return now, nil
}

// knock sends both sides a request of its own and waits for the answer. What
// was sent before has most likely been dealt with by then.
func (x *execution) knock() error {
	for _, d := range x.sides() {
		r, err := send(d.addr, "GET", "/engine.io/?transport=none", nil, "", -1)
		if err != nil {
			return err
		}
		<-r.done
	}
	return nil
}

// parkAll notes the polls that wait: when they are answered, it is later than
// the step that sent them.
func (x *execution) parkAll() {
	for _, d := range x.sides() {
		for _, s := range d.sessions {
			s.again = s.parked != nil
		}
	}
}
