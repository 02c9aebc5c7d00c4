// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	pb "berth.dev/go/berth/v1"
	"google.golang.org/protobuf/proto"
)

// What people of the language try, and what the README promises.

func leased(r *fakeRequest) { r.reply(&pb.AcquireResponse{Lease: "l1", Member: "m1"}) }

// texts reads an execution to its end with NextText.
func texts(t *testing.T, e *Execution) (pieces []Text, dropped uint64) {
	t.Helper()
	for {
		piece, err := e.NextText()
		var gap *Dropped
		switch {
		case err == io.EOF:
			return pieces, dropped
		case errors.As(err, &gap):
			dropped += gap.Bytes
		case err != nil:
			t.Fatal(err)
		case piece.Text == "":
			t.Fatal("an empty piece")
		default:
			pieces = append(pieces, piece)
		}
	}
}

func TestACharacterThatIsSplitBetweenTwoPiecesComesWhole(t *testing.T) {
	const written = "aé€🚢\xffz\xe2\x82"
	const want = "aé€🚢\ufffdz\ufffd"
	for size := 1; size <= 4; size++ {
		server := startFake(t, func(r *fakeRequest) {
			r.started()
			for i := 0; i < len(written); i += size {
				end := i + size
				if end > len(written) {
					end = len(written)
				}
				r.output(pb.OutputStream_STDOUT, uint64(i), []byte(written[i:end]))
				// Between two of the same stream, so that they are not joined.
				r.output(pb.OutputStream_STDERR, uint64(i/size), []byte("."))
			}
			r.ended(&pb.Ended{Cause: pb.EndCause_EXITED})
		})
		e, err := server.client(Options{}).Execute(contextFor(t), Argv("x"))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		pieces, _ := texts(t, e)
		for _, piece := range pieces {
			if piece.Stream == Stdout {
				got += piece.Text
			}
		}
		if got != want {
			t.Errorf("in pieces of %d: %q, want %q", size, got, want)
		}
		if end, err := e.Wait(); err != nil || !end.Success() {
			t.Errorf("%v, %v", end, err)
		}
	}
}

func TestWhatIsBehindAGapIsNotTheRestOfACharacterBeforeIt(t *testing.T) {
	server := startFake(t, func(r *fakeRequest) {
		r.started()
		r.output(pb.OutputStream_STDOUT, 0, []byte("a\xe2\x82"))
		r.event(&pb.ExecuteEvent{Event: &pb.ExecuteEvent_Dropped{Dropped: &pb.Dropped{Offset: 3, Bytes: 7}}})
		r.output(pb.OutputStream_STDOUT, 10, []byte("\xacb"))
		r.ended(&pb.Ended{Cause: pb.EndCause_EXITED})
	})
	e, err := server.client(Options{}).Attach(contextFor(t), "e1", AttachOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pieces, dropped := texts(t, e)
	if got := fmt.Sprintf("%q %d", pieces, dropped); got != `[{"stdout" "a"} {"stdout" "�"} {"stdout" "�b"}] 7` {
		t.Error(got)
	}
}

// cat writes what it reads, and waits for its reader when a window of it was not taken.
type cat struct {
	serving sync.Mutex
	mu      sync.Mutex
	given   sync.Cond
	run     *fakeRequest
	window  uint64
	taken   uint64
	acked   uint64
	most    int
}

func (c *cat) answer(r *fakeRequest) {
	switch r.method {
	case "Execute":
		c.serving.Lock()
		defer c.serving.Unlock()
		var request pb.ExecuteRequest
		r.request(&request)
		c.run, c.window = r, request.WindowBytes
		r.started()
		c.write(request.Stdin)
	case "Input":
		c.serving.Lock()
		defer c.serving.Unlock()
		var request pb.InputRequest
		r.request(&request)
		if request.Offset != c.taken {
			r.fail(FailedPrecondition, fmt.Sprintf("offset %d, and %d were taken", request.Offset, c.taken))
			return
		}
		if len(request.Data) > c.most {
			c.most = len(request.Data)
		}
		c.write(request.Data)
		r.reply(&pb.InputResponse{Offset: c.taken})
		if request.End {
			c.run.ended(&pb.Ended{Cause: pb.EndCause_EXITED})
		}
	case "Acknowledge":
		var request pb.AcknowledgeRequest
		r.request(&request)
		c.mu.Lock()
		if request.StdoutOffset > c.acked {
			c.acked = request.StdoutOffset
		}
		c.given.Broadcast()
		c.mu.Unlock()
		r.reply(&pb.AcknowledgeResponse{})
	default:
		hello(r)
	}
}

func (c *cat) write(data []byte) {
	for len(data) > 0 {
		part := data
		if len(part) > 32<<10 {
			part = part[:32<<10]
		}
		c.mu.Lock()
		for c.taken+uint64(len(part))-c.acked > c.window {
			c.given.Wait()
		}
		c.mu.Unlock()
		c.run.output(pb.OutputStream_STDOUT, c.taken, part)
		c.taken += uint64(len(part))
		data = data[len(part):]
	}
}

func TestStandardInputOfAnyLengthIsSentInPiecesWhileTheOutputIsRead(t *testing.T) {
	c := &cat{}
	c.given.L = &c.mu
	data := make([]byte, 5_000_000)
	_, _ = rand.Read(data)
	result, err := startFake(t, c.answer).client(Options{}).Run(contextFor(t), &Command{Argv: []string{"cat"}, Stdin: data})
	if err != nil || !bytes.Equal(result.Stdout, data) {
		t.Fatalf("%v", err)
	}
	if c.most > maxInput {
		t.Errorf("a piece of %d bytes", c.most)
	}
}

func TestWhatIsWrittenComesBehindALongFirstInput(t *testing.T) {
	c := &cat{}
	c.given.L = &c.mu
	client := startFake(t, c.answer).client(Options{})
	e, err := client.Execute(contextFor(t), &Command{Argv: []string{"cat"}, Stdin: zeros(2_000_000), KeepStdinOpen: true})
	if err != nil {
		t.Fatal(err)
	}
	wrote := make(chan error, 1)
	go func() {
		_, err := e.WriteLast(contextFor(t), []byte("last"))
		wrote <- err
	}()
	if got := readAll(t, e.Stdout()); got != string(zeros(2_000_000))+"last" {
		t.Errorf("%d bytes", len(got))
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
}

func TestAProgramThatDoesNotReadItsLongInputEndsAsItDoes(t *testing.T) {
	server := startFake(t, func(r *fakeRequest) {
		if r.method == "Input" {
			r.fail(FailedPrecondition, "the input has ended")
			return
		}
		r.started()
		r.ended(&pb.Ended{Cause: pb.EndCause_EXITED, ExitCode: 3})
	})
	command := &Command{Argv: []string{"false"}, Stdin: zeros(5_000_000)}
	result, err := server.client(Options{}).Run(contextFor(t), command)
	if err != nil || result.ExitCode != 3 {
		t.Fatalf("%v, %v", result, err)
	}
}

func TestRunRefusesAnInputThatIsKeptOpen(t *testing.T) {
	client, _ := New("127.0.0.1:1", Options{})
	_, err := client.Run(contextFor(t), &Command{Argv: []string{"cat"}, KeepStdinOpen: true})
	wantCode(t, err, InvalidArgument)
}

func TestAMuteServerHoldsNobodyForEver(t *testing.T) {
	server := startFake(t, func(r *fakeRequest) {})
	for _, call := range []func(*Client) error{
		func(c *Client) error { _, err := c.Run(context.Background(), Argv("sleep")); return err },
		func(c *Client) error { _, err := c.Acquire(context.Background(), AcquireOptions{}); return err },
		func(c *Client) error { _, err := c.Lease("l1").ListDirectory(context.Background(), "/tmp"); return err },
	} {
		within(t, 5*time.Second, "the call", func() {
			err := call(server.client(Options{Keepalive: 200 * time.Millisecond}))
			wantCode(t, err, Unavailable)
			if !strings.Contains(err.Error(), "said nothing for 200ms") {
				t.Error(err)
			}
		})
	}
	if n := server.count("Hello"); n != 3 {
		t.Errorf("it was asked %d times", n)
	}
}

func TestAQuietProgramIsNotGivenUp(t *testing.T) {
	server := startFake(t, func(r *fakeRequest) {
		if r.method != "Execute" {
			hello(r)
			return
		}
		r.started()
		eventually(t, "it was asked for", func() bool { return r.server.count("Hello") >= 4 })
		r.ended(&pb.Ended{Cause: pb.EndCause_EXITED})
	})
	result, err := server.client(Options{Keepalive: 100 * time.Millisecond}).Run(contextFor(t), Argv("sleep"))
	if err != nil || !result.Success() {
		t.Fatalf("%v, %v", result, err)
	}
}

func TestADeadlineIsTheContextsErrorWhoeverSaysSoFirst(t *testing.T) {
	// Item H38: the server's answer first, the client's timer first, and a deadline that passes while connecting.
	server := startFake(t, func(r *fakeRequest) { r.fail(DeadlineExceeded, "the deadline has passed") })
	client := server.client(Options{})
	lease := client.Lease("l1")
	mute := startFake(t, func(r *fakeRequest) {}).client(Options{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone, _ := New(listener.Addr().String(), Options{})
	listener.Close()
	for name, call := range map[string]func(context.Context) error{
		"Hello":     func(ctx context.Context) error { _, err := client.Hello(ctx); return err },
		"Acquire":   func(ctx context.Context) error { _, err := client.Acquire(ctx, AcquireOptions{}); return err },
		"Run":       func(ctx context.Context) error { _, err := client.Run(ctx, Argv("x")); return err },
		"Execute":   func(ctx context.Context) error { _, err := lease.Execute(ctx, Argv("x")); return err },
		"Renew":     func(ctx context.Context) error { _, err := lease.Renew(ctx, 0); return err },
		"List":      func(ctx context.Context) error { _, err := lease.ListDirectory(ctx, "/tmp"); return err },
		"ReadFile":  func(ctx context.Context) error { _, err := lease.ReadFile(ctx, "/tmp/a", 0, 0); return err },
		"mute":      func(ctx context.Context) error { _, err := mute.Hello(ctx); return err },
		"mute Run":  func(ctx context.Context) error { _, err := mute.Run(ctx, Argv("x")); return err },
		"no server": func(ctx context.Context) error { _, err := gone.Hello(ctx); return err },
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}

func TestErrorsHaveAReasonWhereTheCodeIsTooCoarse(t *testing.T) {
	server := startFake(t, func(r *fakeRequest) {
		switch r.method {
		case "Stat":
			r.failWith(FailedPrecondition, "it is one", "berth.dev", "IS_A_DIRECTORY", nil)
		case "Acquire":
			r.failWith(Unavailable, "later", "berth.dev", "BREAKER_OPEN", map[string]string{"retry_after_ms": "1500"})
		default:
			r.failWith(ResourceExhausted, "no", "berth.dev", "A_REASON_OF_LATER", nil)
		}
	})
	client := server.client(Options{})
	_, err := client.Lease("l1").Stat(contextFor(t), "/tmp", false)
	if ReasonOf(err) != pb.ErrorReason_IS_A_DIRECTORY || CodeOf(err) != FailedPrecondition {
		t.Errorf("%#v", err)
	}
	if err.Error() != "FAILED_PRECONDITION (IS_A_DIRECTORY): it is one" {
		t.Error(err)
	}
	_, err = client.Acquire(contextFor(t), AcquireOptions{})
	var typed *Error
	if !errors.As(err, &typed) || typed.Metadata["retry_after_ms"] != "1500" {
		t.Errorf("%#v", err)
	}
	if _, err = client.Hello(contextFor(t)); ReasonOf(err) != 0 || CodeOf(err) != ResourceExhausted {
		t.Errorf("%#v", err)
	}
}

func TestWhatIsNotUTF8GoesAsBytes(t *testing.T) {
	executed, renamed := make(chan *pb.ExecuteRequest, 1), make(chan *pb.RenameFileRequest, 1)
	server := startFake(t, func(r *fakeRequest) {
		switch r.method {
		case "Execute":
			request := &pb.ExecuteRequest{}
			r.request(request)
			executed <- request
			r.started()
			r.ended(&pb.Ended{Cause: pb.EndCause_EXITED})
		case "RenameFile":
			request := &pb.RenameFileRequest{}
			r.request(request)
			renamed <- request
			r.reply(&pb.RenameFileResponse{})
		case "Stat":
			r.reply(&pb.StatResponse{Info: &pb.FileInfo{Name: "\ufffd", NameRaw: []byte("\xff")}})
		}
	})
	lease := server.client(Options{}).Lease("l1")
	command := &Command{Argv: []string{"ls", "\xff"}, Env: map[string]string{"A": "\xff", "B": "b"}, Cwd: "/tmp/\xff"}
	if _, err := lease.Run(contextFor(t), command); err != nil {
		t.Fatal(err)
	}
	request := <-executed
	if len(request.Argv) != 0 || string(request.ArgvRaw[0]) != "ls" || string(request.ArgvRaw[1]) != "\xff" {
		t.Errorf("%v", request)
	}
	if request.Env["B"] != "b" || len(request.Env) != 1 || string(request.EnvRaw[0]) != "A=\xff" {
		t.Errorf("%v", request)
	}
	if request.Cwd != "" || string(request.CwdRaw) != "/tmp/\xff" {
		t.Errorf("%v", request)
	}
	if err := lease.Rename(contextFor(t), "/tmp/\xff", "/tmp/a", RenameOptions{}); err != nil {
		t.Fatal(err)
	}
	if r := <-renamed; r.From != "" || string(r.FromRaw) != "/tmp/\xff" || r.To != "/tmp/a" {
		t.Errorf("%v", r)
	}
	if info, err := lease.Stat(contextFor(t), "/tmp", true); err != nil || info.Name != "\xff" {
		t.Errorf("%q, %v", info.Name, err)
	}
}

func TestMergedOutputAndATerminalWithoutEchoAreAskedForAndOnlyThen(t *testing.T) {
	executed := make(chan *pb.ExecuteRequest, 1)
	server := startFake(t, func(r *fakeRequest) {
		request := &pb.ExecuteRequest{}
		r.request(request)
		executed <- request
		r.started()
		r.ended(&pb.Ended{Cause: pb.EndCause_EXITED})
	})
	client := server.client(Options{})
	for _, c := range []struct {
		command  *Command
		merged   bool
		terminal *pb.Terminal
	}{
		{Argv("x"), false, nil},
		{&Command{Shell: "x", MergeOutput: true}, true, nil},
		{&Command{Shell: "x", Terminal: &Terminal{Rows: 24, Columns: 80}}, false, &pb.Terminal{Rows: 24, Columns: 80}},
		{&Command{Shell: "x", Terminal: &Terminal{NoEcho: true}}, false, &pb.Terminal{NoEcho: true}},
	} {
		if _, err := client.Run(contextFor(t), c.command); err != nil {
			t.Fatal(err)
		}
		request := <-executed
		if request.MergeOutput != c.merged || !proto.Equal(request.Terminal, c.terminal) {
			t.Errorf("%+v asks for %v", c.command, request)
		}
	}
}

// collected runs the collector until a condition holds.
func collected(t *testing.T, what string, holds func() bool) {
	t.Helper()
	eventually(t, what, func() bool {
		runtime.GC()
		return holds()
	})
}

func TestALeaseThatWasDroppedIsReleasedWithAWarning(t *testing.T) {
	server := startFake(t, func(r *fakeRequest) {
		if r.method == "Acquire" {
			leased(r)
		} else {
			r.reply(&pb.ReleaseResponse{})
		}
	})
	var mu sync.Mutex
	var warnings []string
	client := server.client(Options{Logf: func(format string, arguments ...interface{}) {
		mu.Lock()
		defer mu.Unlock()
		warnings = append(warnings, fmt.Sprintf(format, arguments...))
	}})
	if _, err := client.Acquire(contextFor(t), AcquireOptions{}); err != nil {
		t.Fatal(err)
	}
	collected(t, "the release", func() bool { return server.count("Release") == 1 })
	mu.Lock()
	if len(warnings) != 1 || warnings[0] != "berth: a lease of m1 was dropped without Close" {
		t.Errorf("%q", warnings)
	}
	mu.Unlock()
	// Detached, released and foreign leases may be dropped; the last one shows that the collector was there.
	func() {
		_, _ = client.Acquire(contextFor(t), AcquireOptions{Detached: true})
		client.Lease("l1")
		closed, _ := client.Acquire(contextFor(t), AcquireOptions{})
		closed.Close()
	}()
	_, _ = client.Acquire(contextFor(t), AcquireOptions{})
	collected(t, "the last release", func() bool { return server.count("Release") == 3 })
	mu.Lock()
	defer mu.Unlock()
	if len(warnings) != 2 {
		t.Errorf("%q", warnings)
	}
}

func TestAnExecutionHoldsItsLeaseAndIsGivenUpWhenItIsDropped(t *testing.T) {
	server := startFake(t, func(r *fakeRequest) {
		switch r.method {
		case "Acquire":
			leased(r)
		case "Execute":
			r.started()
		default:
			r.reply(&pb.ReleaseResponse{})
		}
	})
	client := server.client(Options{Logf: func(string, ...interface{}) {}})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	lease, err := client.Acquire(ctx, AcquireOptions{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := lease.Execute(ctx, Argv("sleep"))
	if err != nil {
		t.Fatal(err)
	}
	lease = nil
	for i := 0; i < 5; i++ {
		runtime.GC()
	}
	if n := server.count("Release"); n != 0 {
		t.Fatalf("released %d times under its execution", n)
	}
	runtime.KeepAlive(e)
	e = nil
	collected(t, "both are given up", func() bool { return server.count("Signal") == 1 && server.count("Release") == 1 })
}

func TestCreditComesInLargePiecesAndBeforeSixtyEventsAreUnderWay(t *testing.T) {
	var mu sync.Mutex
	given := sync.Cond{L: &mu}
	var acked []uint64
	server := startFake(t, func(r *fakeRequest) {
		switch r.method {
		case "Execute":
			r.started()
			for offset := uint64(0); offset < 300; offset++ {
				mu.Lock()
				for len(acked) == 0 && offset >= 60 || len(acked) > 0 && offset-acked[len(acked)-1] >= 60 {
					given.Wait()
				}
				mu.Unlock()
				r.output(pb.OutputStream_STDOUT, offset, []byte("x"))
			}
			r.ended(&pb.Ended{Cause: pb.EndCause_EXITED})
		case "Acknowledge":
			var request pb.AcknowledgeRequest
			r.request(&request)
			mu.Lock()
			if len(acked) == 0 || request.StdoutOffset > acked[len(acked)-1] {
				acked = append(acked, request.StdoutOffset)
			}
			given.Broadcast()
			mu.Unlock()
		}
	})
	client := server.client(Options{})
	within(t, 10*time.Second, "the run", func() {
		result, err := client.Run(contextFor(t), Argv("x"))
		if err != nil || len(result.Stdout) != 300 {
			t.Errorf("%v, %v", result, err)
		}
	})
	mu.Lock()
	defer mu.Unlock()
	// The last piece may end before it is acknowledged.
	if len(acked) < 4 || len(acked) > 10 {
		t.Errorf("acknowledged %d", acked)
	}
}

func TestAfterTheServerHasGoneEverythingAboutAnExecutionSaysUnavailable(t *testing.T) {
	server := startFake(t, func(r *fakeRequest) { r.started() })
	e, err := server.client(Options{}).Execute(contextFor(t), Argv("sleep"))
	if err != nil {
		t.Fatal(err)
	}
	server.stop()
	for i := 0; i < 2; i++ {
		_, err = e.Next()
		wantCode(t, err, Unavailable)
		_, err = e.NextText()
		wantCode(t, err, Unavailable)
		_, err = e.Stdout().Read(make([]byte, 1))
		wantCode(t, err, Unavailable)
		_, err = e.Wait()
		wantCode(t, err, Unavailable)
	}
}
