// SPDX-License-Identifier: Apache-2.0

// Command conformance replays the scenarios that all clients share: conformance FILE [SCENARIO…], with BERTH_SERVER
// set. What it prints is described in clients/conformance/README.md.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"berth.dev/go/berth"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: conformance FILE [SCENARIO...]")
		os.Exit(2)
	}
	if err := replay(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func replay(path string, names []string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	wanted := map[string]bool{}
	for _, name := range names {
		wanted[name] = true
	}
	world := bufio.NewReader(os.Stdin)
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	var s *scenario
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) == 0 || words[0][0] == '#' || words[0] == "=":
		case words[0] == "scenario":
			if len(wanted) == 0 || wanted[words[1]] {
				fmt.Println("scenario", words[1])
				s = newScenario(world)
			}
		case s == nil:
		case words[0] == "end":
			s.close()
			s = nil
			fmt.Println("end")
		default:
			s.step(words[0], words[1:])
		}
	}
	return lines.Err()
}

// scenario is what the steps of one know by name.
type scenario struct {
	world      *bufio.Reader
	clients    map[string]*berth.Client
	windows    map[string]int
	leases     map[string]*berth.Lease
	contexts   map[string]*berth.Context
	leaseOf    map[string]string // of contexts
	executions map[string]*execution
	archives   map[string][]byte
	conns      map[string]*connected
}

// execution keeps what its readers have not asked for yet.
type execution struct {
	*berth.Execution
	lease   *berth.Lease // nil when it runs in a member of its own
	kept    [2][]byte
	dropped [3]uint64
	end     *berth.End
	err     error
}

func newScenario(world *bufio.Reader) *scenario {
	s := &scenario{
		world: world, clients: map[string]*berth.Client{}, windows: map[string]int{}, leases: map[string]*berth.Lease{},
		contexts: map[string]*berth.Context{}, leaseOf: map[string]string{}, executions: map[string]*execution{}, archives: map[string][]byte{},
		conns: map[string]*connected{},
	}
	s.clients["main"], _ = berth.New("", berth.Options{})
	return s
}

func (s *scenario) close() {
	for _, client := range s.clients {
		client.Close()
	}
}

func (s *scenario) step(verb string, words []string) {
	args, err := parse(words)
	if err != nil {
		fmt.Println("failed", err)
		return
	}
	began := time.Now()
	do, known := verbs[verb]
	switch {
	case !known:
		fmt.Println("unsupported", verb)
		return
	case args.unknown(verb) != "":
		fmt.Println("unsupported", verb, args.unknown(verb))
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := attempt(func() error { return do(s, ctx, args) }); err != nil {
		if words := args.failure(verb, err); words != "" {
			fmt.Println(words)
		}
	}
	if limit := args.number("within_ms"); limit > 0 && time.Since(began) > time.Duration(limit)*time.Millisecond {
		fmt.Println("late")
	}
}

// missing is what a step refers to and an earlier one has failed to make.
type missing string

func (m missing) Error() string { return string(m) }

func attempt(step func() error) (err error) {
	defer func() {
		if found, is := recover().(missing); is {
			err = found
		}
	}()
	return step()
}

func (s *scenario) client(a arguments) *berth.Client {
	if name := a.text("client"); name != "" {
		return s.clients[name]
	}
	return s.clients["main"]
}

// lease is the named one, as the step's client sees it.
func (s *scenario) lease(a arguments) *berth.Lease {
	known := s.leases[a.text("lease")]
	if known == nil {
		return s.client(a).Lease("no such name in the scenario")
	}
	return s.client(a).Lease(known.Token)
}
