// SPDX-License-Identifier: Apache-2.0

package berth_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"berth.dev/go/berth"
	berthv1 "berth.dev/go/berth/v1"
)

func openPython(t *testing.T) (*berth.Context, *berth.Lease, context.Context) {
	t.Helper()
	client, ctx := dial(t, launchBerth(t).address)
	lease, err := client.Acquire(ctx, berth.AcquireOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lease.Close() })
	python, err := lease.OpenContext(ctx, "python", berth.ContextOptions{Cwd: "/tmp", Env: map[string]string{"NAME": "value"}})
	if err != nil {
		t.Fatal(err)
	}
	return python, lease, ctx
}

func run(t *testing.T, ctx context.Context, python *berth.Context, code string, options ...berth.PieceOptions) *berth.Result {
	t.Helper()
	result, err := python.Run(ctx, code, options...)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestAContextKeepsItsVariablesUntilAPieceEndsIt(t *testing.T) {
	python, lease, ctx := openPython(t)
	if !strings.HasPrefix(python.Version, "3.") {
		t.Errorf("version %q", python.Version)
	}
	run(t, ctx, python, "x = 6")
	if result := run(t, ctx, python, "print('so:'); x * 7"); result.Text() != "so:\n" || result.Value() != "42" {
		t.Errorf("%+v", result)
	}
	if result := run(t, ctx, python, "import os; os.getcwd() + os.environ['NAME']"); result.Value() != "'/tmpvalue'" {
		t.Errorf("%+v", result)
	}
	if result := run(t, ctx, python, "y = 1 / 0"); result.Failure == nil || result.Failure.Name != "ZeroDivisionError" || result.ExitCode != 1 {
		t.Errorf("%+v", result)
	}
	if result := run(t, ctx, python, "x = input()\nx", berth.PieceOptions{Stdin: []byte("own\n")}); result.Value() != "'own'" {
		t.Errorf("%+v", result)
	}
	names, err := python.Complete(ctx, "os.path.joi", 11)
	if err != nil || fmt.Sprint(names.Matches) != "[join]" {
		t.Errorf("%v, %v", names, err)
	}
	known, err := python.Inspect(ctx, "os.path.join", 12, false)
	if err != nil || !strings.HasPrefix(string(known["text/plain"]), "os.path.join(") {
		t.Errorf("%v, %v", known, err)
	}
	infos, err := lease.Contexts(ctx)
	if err != nil || len(infos) != 1 || infos[0].Context != python.ID || infos[0].Pieces != 5 {
		t.Errorf("%v, %v", infos, err)
	}
	if result := run(t, ctx, python, "os._exit(3)"); result.ExitCode != 3 || !result.ContextLost {
		t.Errorf("%+v", result)
	}
	if _, err := python.Run(ctx, "x"); berth.ReasonOf(err) != berthv1.ErrorReason_NO_SUCH_CONTEXT {
		t.Errorf("got %v", err)
	}
	if err := python.Close(); berth.CodeOf(err) != berth.NotFound {
		t.Errorf("got %v", err)
	}
}

func TestAQuestionIsAnsweredAndAnInterruptKeepsTheVariables(t *testing.T) {
	python, _, ctx := openPython(t)
	code := "import getpass\nkept = input('name? ') + getpass.getpass('word? ')\ndisplay('on')\nwhile True: pass"
	e, err := python.Execute(ctx, code, berth.PieceOptions{KeepStdinOpen: true})
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for ended := false; !ended; {
		event, err := e.Next()
		if err != nil {
			t.Fatal(err)
		}
		switch event := event.(type) {
		case berth.Prompt:
			seen = append(seen, fmt.Sprint(event.Text, event.Password))
			if _, err := e.Write(ctx, []byte("bob\n")); err != nil {
				t.Fatal(err)
			}
		case berth.Display:
			if err := e.Interrupt(ctx); err != nil {
				t.Fatal(err)
			}
		case *berth.Failure:
			seen = append(seen, event.Name)
		case berth.End:
			ended = true
			seen = append(seen, fmt.Sprint(event, event.ContextLost))
		}
	}
	want := "name? false, word? true, KeyboardInterrupt, exited with code 1 false"
	if got := strings.Join(seen, ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if result := run(t, ctx, python, "kept"); result.Value() != "'bobbob'" {
		t.Errorf("%+v", result)
	}
}

func TestACallersContextThatIsDoneInterruptsAPieceAndKeepsItsContext(t *testing.T) {
	python, _, ctx := openPython(t)
	bounded, cancel := context.WithCancel(ctx)
	defer cancel()
	e, err := python.Execute(bounded, "kept = 1\ndisplay('on')\nwhile True: pass")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Next(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := e.Wait(); berth.CodeOf(err) != berth.Cancelled {
		t.Errorf("got %v", err)
	}
	for {
		result, err := python.Run(ctx, "kept")
		if berth.ReasonOf(err) == berthv1.ErrorReason_CONTEXT_BUSY {
			continue // It is being interrupted.
		}
		if err != nil || result.Value() != "1" {
			t.Errorf("%+v, %v", result, err)
		}
		return
	}
}

func TestManyDisplaysAndLargeOnesComeWholeAndInOrderThroughASmallWindow(t *testing.T) {
	python, lease, ctx := openPython(t)
	code := "for i in range(300): display(i)\nfor i in range(60): display({'image/png': bytes([i]) * 30000}, raw=True)"
	e, err := python.Execute(ctx, code, berth.PieceOptions{Window: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	// Nobody takes anything yet, and nobody else waits.
	if result, err := lease.Run(ctx, berth.Argv("echo", "unhindered")); err != nil || result.Text() != "unhindered\n" {
		t.Fatalf("%v, %v", result, err)
	}
	for i := 0; i < 360; i++ {
		event, err := e.Next()
		if err != nil {
			t.Fatal(err)
		}
		display, is := event.(berth.Display)
		switch {
		case !is, i < 300 && display.Text() != fmt.Sprint(i):
			t.Fatalf("display %d is %v", i, event)
		case i >= 300 && string(display.Data["image/png"]) != strings.Repeat(string(rune(i-300)), 30000):
			t.Fatalf("display %d has %d bytes", i, len(display.Data["image/png"]))
		}
	}
	if end, err := e.Wait(); err != nil || !end.Success() {
		t.Errorf("%v, %v", end, err)
	}
	again, err := python.Execute(ctx, code, berth.PieceOptions{Window: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	if end, err := again.Wait(); err != nil || !end.Success() {
		t.Errorf("what nobody takes is let go: %v, %v", end, err)
	}
}

func TestACopyOfAContextHasItsOwnVariablesAndIsRefusedWithTheReason(t *testing.T) {
	python, lease, ctx := openPython(t)
	run(t, ctx, python, "x = 6")
	copied, err := python.Fork(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if copied.Language != "python" || copied.Version != python.Version || copied.ID == python.ID {
		t.Errorf("%+v", copied)
	}
	run(t, ctx, copied, "x += 1")
	if mine, its := run(t, ctx, python, "x").Value(), run(t, ctx, copied, "x").Value(); mine != "6" || its != "7" {
		t.Errorf("%s and %s", mine, its)
	}
	if err := python.Close(); err != nil {
		t.Error(err)
	}
	run(t, ctx, copied, "import threading; done = threading.Event(); threading.Thread(target=done.wait, name='busy').start()")
	_, err = copied.Fork(ctx)
	if berth.CodeOf(err) != berth.FailedPrecondition || berth.ReasonOf(err) != berthv1.ErrorReason_CONTEXT_START_FAILED ||
		!strings.Contains(err.Error(), "a thread runs in it: busy") {
		t.Errorf("got %v", err)
	}
	run(t, ctx, copied, "done.set()")
	shell, err := lease.OpenContext(ctx, "bash", berth.ContextOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shell.Fork(ctx); berth.CodeOf(err) != berth.Unimplemented {
		t.Errorf("got %v", err)
	}
}
