// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"hash/crc32"
	"sort"
	"strings"

	"berth.dev/go/berth"
)

func (s *scenario) openContext(ctx context.Context, a arguments) error {
	opened, err := s.lease(a).OpenContext(ctx, a.text("language"), berth.ContextOptions{
		Env: a.env(), Cwd: a.text("cwd"), UID: uint32(a.number("uid")),
	})
	if err != nil {
		return err
	}
	s.contexts[a.text("as")], s.leaseOf[a.text("as")] = opened, a.text("lease")
	fmt.Println("opened", a.text("as"))
	return nil
}

func (s *scenario) context(a arguments) *berth.Context {
	known := s.contexts[a.text("context")]
	if known == nil {
		panic(missing("no context " + a.text("context")))
	}
	return known
}

func (s *scenario) forkContext(ctx context.Context, a arguments) error {
	forked, err := s.context(a).Fork(ctx)
	if err != nil {
		return err
	}
	s.contexts[a.text("as")], s.leaseOf[a.text("as")] = forked, s.leaseOf[a.text("context")]
	fmt.Println("forked", a.text("as"))
	return nil
}

func (s *scenario) closeContext(_ context.Context, a arguments) error {
	return said(s.context(a).Close(), "closed-context", a.text("context"))
}

func (s *scenario) listContexts(ctx context.Context, a arguments) error {
	infos, err := s.lease(a).Contexts(ctx)
	if err != nil {
		return err
	}
	for _, info := range infos {
		state := "idle"
		if info.Execution != "" {
			state = "running"
		}
		fmt.Printf("context %s pieces=%d %s\n", encode([]byte(info.Language)), info.Pieces, state)
	}
	fmt.Println("contexts", len(infos))
	return nil
}

func (a arguments) cursor() int {
	if a.has("cursor") {
		return a.number("cursor")
	}
	return len(a.text("code"))
}

func (s *scenario) complete(ctx context.Context, a arguments) error {
	found, err := s.context(a).Complete(ctx, a.text("code"), a.cursor())
	if err != nil {
		return err
	}
	line := fmt.Sprintf("complete start=%d end=%d", found.Start, found.End)
	for _, match := range found.Matches {
		line += " " + encode([]byte(match))
	}
	fmt.Println(line)
	return nil
}

func (s *scenario) inspect(ctx context.Context, a arguments) error {
	found, err := s.context(a).Inspect(ctx, a.text("code"), a.cursor(), a.has("detail"))
	if err != nil {
		return err
	}
	if found == nil {
		fmt.Println("inspected 0")
		return nil
	}
	for _, mime := range mimes(found) {
		fmt.Println("form", encode([]byte(mime)), show(found[mime]))
	}
	fmt.Println("inspected 1")
	return nil
}

// events says what comes, in its order; neighbouring output of one stream is one line.
func (s *scenario) events(_ context.Context, a arguments) error {
	e, name := s.execution("exec", a), a.text("exec")
	var lines []string
	var stream berth.Stream
	var joined []byte
	flush := func() {
		if len(joined) > 0 {
			lines = append(lines, fmt.Sprintf("%s %s %s", name, stream, show(joined)))
			joined = nil
		}
	}
	wanted, isOver := a.number("shown"), false
	for shown := 0; !isOver && (wanted == 0 || shown < wanted); {
		event, err := e.Next()
		if output, is := event.(berth.Output); is {
			if output.Stream != stream {
				flush()
			}
			stream, joined = output.Stream, append(joined, output.Data...)
			continue
		}
		flush()
		shown++
		switch event := event.(type) {
		case berth.Display:
			lines = append(lines, name+" "+showDisplay(event))
		case *berth.Failure:
			lines = append(lines, name+" "+showFailure(event))
		case berth.Prompt:
			lines = append(lines, name+" "+showPrompt(event))
		case *berth.Dropped:
			shown--
			lines = append(lines, fmt.Sprintf("%s dropped %s=%d", name, event.Stream, event.Bytes))
		case berth.End:
			isOver = true
			lines = append(lines, name+" ended "+showEnd(event))
		default:
			isOver = true
			lines = append(lines, fmt.Sprintf("%s error %s", name, berth.CodeOf(err)))
		}
	}
	if a.has("digest") {
		all := strings.Join(lines, "\n") + "\n"
		lines = []string{fmt.Sprintf("%s events %d crc32=%08x", name, len(lines), crc32.ChecksumIEEE([]byte(all)))}
	}
	fmt.Println(strings.Join(lines, "\n"))
	return nil
}

func sayShown(result *berth.Result) {
	hasValue := false
	for _, display := range result.Displays {
		fmt.Println(showDisplay(display))
		hasValue = hasValue || display.Result
	}
	if result.Failure != nil {
		fmt.Println(showFailure(result.Failure))
	}
	if hasValue {
		fmt.Println("value", show([]byte(result.Value())))
	}
}

func showDisplay(display berth.Display) string {
	words := "display"
	if display.ID != "" {
		words += " id=" + show([]byte(display.ID))
	}
	if display.Update {
		words += " update=1"
	}
	if display.Result {
		words += " result=1"
	}
	for _, mime := range mimes(display.Data) {
		words += " " + encode([]byte(mime)) + "=" + show(display.Data[mime])
	}
	left := make([]string, 0, len(display.LeftOut))
	for mime := range display.LeftOut {
		left = append(left, mime)
	}
	sort.Strings(left)
	for _, mime := range left {
		words += fmt.Sprintf(" left-out=%s:%d", encode([]byte(mime)), display.LeftOut[mime])
	}
	return words
}

func mimes(forms map[string][]byte) []string {
	found := make([]string, 0, len(forms))
	for mime := range forms {
		found = append(found, mime)
	}
	sort.Strings(found)
	return found
}

func showFailure(failure *berth.Failure) string {
	words := "failure " + encode([]byte(failure.Name))
	if failure.Message != "" {
		words += " " + show([]byte(failure.Message))
	}
	if lines := failure.Traceback; len(lines) > 0 {
		words += " last=" + show([]byte(lines[len(lines)-1]))
	}
	return words
}

func showPrompt(prompt berth.Prompt) string {
	words := "prompt " + show([]byte(prompt.Text))
	if prompt.Password {
		words += " password=1"
	}
	return words
}
