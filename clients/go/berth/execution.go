// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	pb "berth.dev/go/berth/v1"
	"google.golang.org/protobuf/proto"
)

// Stream is one of the streams of a program's output.
type Stream int

// The streams.
const (
	Stdout Stream = 0
	Stderr Stream = 1
	Events Stream = 2 // of Dropped alone: what a piece of code shows
)

func (s Stream) String() string {
	switch s {
	case Stderr:
		return "stderr"
	case Events:
		return "events"
	}
	return "stdout"
}

// Event is an Output, a *Dropped or an End; of a piece of code also a Display, a *Failure or a Prompt.
type Event interface{ event() }

// Output is what a program wrote. Data belongs to who got it.
type Output struct {
	Stream Stream
	Offset uint64 // of the first byte in this stream
	Data   []byte
}

// Dropped tells of bytes that were no longer held when this watcher came to them. Readers return it as an error.
type Dropped struct {
	Stream Stream
	Offset uint64 // of the first of them
	Bytes  uint64
}

func (d *Dropped) Error() string {
	return fmt.Sprintf("%d bytes of %s from offset %d are no longer held", d.Bytes, d.Stream, d.Offset)
}

func (Output) event()   {}
func (*Dropped) event() {}
func (End) event()      {}

// Execution is a program that runs, or has ended. Its output is read either as events with Next, or with the readers of
// Stdout and Stderr, or with Copy or Wait. Both streams share one window: a program that writes to a stream nobody
// reads waits in the end, so read both, or leave one to Wait. Next alone gives what a piece of code shows.
//
// When the context it was begun with is done, an execution is cancelled; one that is resumable goes on without this
// watcher.
type Execution struct {
	out       *output
	id        string
	member    string
	lease     *Lease // which would be released under it if nobody held it
	resumable bool
	isWatcher bool // from Attach: others may watch too, so leaving does not end it

	mu       sync.Mutex // of input
	inputAt  uint64
	asksFor  bool  // what inputAt is: others have written before
	inputErr error // why not all of Command.Stdin was taken
	text     [2]textDecoder
	texts    []textPiece
	taken    [2]atomic.Bool
	hasEnded bool
}

func (c *Client) execute(ctx context.Context, command *Command, lease *Lease) (*Execution, error) {
	request, err := command.request(lease.token())
	if err != nil {
		return nil, err
	}
	conn, err := c.connection(ctx)
	if err != nil {
		return nil, err
	}
	out := newOutput(c, conn, lease.token(), request.WindowBytes, decodeExecuteEvent)
	e := &Execution{out: out, lease: lease, resumable: command.Resumable > 0, inputAt: uint64(len(request.Stdin))}
	if _, err := e.begin(ctx, "Execute", request); err != nil {
		return nil, err
	}
	if rest := command.Stdin[len(request.Stdin):]; len(rest) > 0 {
		e.mu.Lock() // what is written comes behind it
		go e.feed(rest, !command.KeepStdinOpen)
	}
	return e, nil
}

// AttachOptions say from where an execution is watched; the zero value is from its beginning.
type AttachOptions struct {
	// StdoutOffset and StderrOffset are how much of each stream the caller has already; see Execution.Offsets.
	StdoutOffset, StderrOffset uint64
	// EventsPosition is how far the caller has what a piece of code has shown; see Execution.EventsPosition.
	EventsPosition uint64
	// FromNow leaves out what was written before.
	FromNow bool
	// Observe never slows the program down: a watcher that is too slow misses output, and is told with Dropped.
	Observe bool
	// Window is as in Command.
	Window int
	// InputOffset is where Stdin goes on, if an earlier watcher wrote to it; 0: behind all that was taken.
	InputOffset uint64
}

func (c *Client) attach(ctx context.Context, id string, lease *Lease, options AttachOptions) (*Execution, error) {
	conn, err := c.connection(ctx)
	if err != nil {
		return nil, err
	}
	window := clampWindow(options.Window)
	out := newOutput(c, conn, lease.token(), window, decodeExecuteEvent)
	out.consumed = [streams]uint64{options.StdoutOffset, options.StderrOffset, options.EventsPosition}
	out.acked, out.came = out.consumed, options.EventsPosition
	e := &Execution{out: out, lease: lease, isWatcher: true, inputAt: options.InputOffset, asksFor: options.InputOffset == 0}
	return e.begin(ctx, "Attach", &pb.AttachRequest{
		Lease: lease.token(), Execution: id, StdoutOffset: options.StdoutOffset, StderrOffset: options.StderrOffset,
		EventsPosition: options.EventsPosition, FromNow: options.FromNow, Observe: options.Observe, WindowBytes: window,
	})
}

func (e *Execution) begin(ctx context.Context, method string, request proto.Message) (*Execution, error) {
	if err := e.out.begin(ctx, method, request, e.onLeave()); err != nil {
		return nil, err
	}
	first, err := e.out.waitStarted()
	if err != nil {
		return nil, err
	}
	e.id, e.member = first.execution, first.member
	runtime.SetFinalizer(e, (*Execution).dropped)
	return e, nil
}

// onLeave does not hold the execution: what is dropped must be seen to be.
func (e *Execution) onLeave() func() {
	if e.isWatcher || e.resumable {
		return e.out.detach
	}
	return e.out.cancel
}

// dropped is the finalizer.
func (e *Execution) dropped() {
	out, logf := e.out, e.out.client.options.Logf
	if out.leave(newError(Cancelled, "the execution was dropped"), e.onLeave()) {
		logf("berth: an execution in %s was dropped without Close or being read to its end", e.member)
	}
}

// ID is the execution's id, for Attach; keep it secret.
func (e *Execution) ID() string { return e.id }

// Member is the name of the member it runs in, for logs.
func (e *Execution) Member() string { return e.member }

// Offsets are how much of each stream was read here: where an Attach goes on.
func (e *Execution) Offsets() (stdout, stderr uint64) {
	e.out.mu.Lock()
	defer e.out.mu.Unlock()
	return e.out.consumed[0], e.out.consumed[1]
}

// EventsPosition is how far displays, failures and prompts were taken here: where an Attach goes on.
func (e *Execution) EventsPosition() uint64 {
	e.out.mu.Lock()
	defer e.out.mu.Unlock()
	return e.out.consumed[shown]
}

// Next returns the next event: what was written and shown, and *Dropped, in the order they came, then one End, then
// io.EOF. The error is an *Error when the call itself has failed.
func (e *Execution) Next() (Event, error) {
	defer runtime.KeepAlive(e)
	stream, c, err := e.out.next()
	switch {
	case err == io.EOF && !e.hasEnded:
		e.hasEnded = true
		return newEnd(e.out.last.ended), nil
	case err != nil:
		return nil, err
	case c.dropped > 0:
		return &Dropped{Stream: Stream(stream), Offset: c.offset, Bytes: c.dropped}, nil
	case c.shown != nil:
		return c.shown, nil
	}
	return Output{Stream: Stream(stream), Offset: c.offset, Data: c.data}, nil
}

// Stdout reads the program's standard output; with a terminal, all that it writes.
func (e *Execution) Stdout() io.Reader { return e.reader(Stdout) }

// Stderr reads the program's standard error.
func (e *Execution) Stderr() io.Reader { return e.reader(Stderr) }

func (e *Execution) reader(stream Stream) io.Reader {
	if !e.taken[stream].Swap(true) {
		e.out.discard(shown) // which readers don't give, and which would use up the window
	}
	return outputReader{e, int(stream)}
}

type outputReader struct {
	e      *Execution
	stream int
}

func (r outputReader) Read(p []byte) (int, error) {
	defer runtime.KeepAlive(r.e)
	return r.e.out.read(r.stream, p)
}

// Copy writes the program's output to stdout and stderr while it comes, nil for what is not wanted, and returns the
// end. It stops at the first error of a writer, and at a gap with *Dropped.
func (e *Execution) Copy(stdout, stderr io.Writer) (End, error) {
	writers := [2]io.Writer{stdout, stderr}
	for {
		event, err := e.Next()
		if err != nil {
			return End{}, err
		}
		switch event := event.(type) {
		case Output:
			if writer := writers[event.Stream]; writer != nil {
				if _, err := writer.Write(event.Data); err != nil {
					return End{}, err
				}
			}
		case *Dropped:
			if event.Stream != Events {
				return End{}, event
			}
		case End:
			return event, nil
		}
	}
}

// Wait waits for the end. Output of a stream whose reader was not asked for is thrown away.
func (e *Execution) Wait() (End, error) {
	defer runtime.KeepAlive(e)
	for stream := range e.taken {
		if !e.taken[stream].Load() {
			e.out.discard(stream)
		}
	}
	e.out.discard(shown)
	<-e.out.over
	e.out.mu.Lock()
	defer e.out.mu.Unlock()
	if e.out.last == nil {
		return End{}, e.out.failure()
	}
	return newEnd(e.out.last.ended), nil
}

// Close gives the execution up. One that runs is cancelled, unless it is resumable or only watched. Reading it fails
// then.
func (e *Execution) Close() error {
	e.out.leave(newError(Cancelled, "the execution was closed"), e.onLeave())
	return nil
}

// Detach gives up this stream without a signal: the server cancels the execution when nobody else watches it and it is
// not resumable.
func (e *Execution) Detach() error {
	e.out.leave(newError(Cancelled, "the execution was detached from"), e.out.detach)
	return nil
}

// Signal sends a signal by its name: "INT", "SIGTERM" …; KILL ends everything that the program started.
func (e *Execution) Signal(ctx context.Context, name string) error {
	return e.signal(ctx, &pb.SignalRequest{Name: name})
}

// SignalNumber sends a signal by its number on Linux, 1 to 64.
func (e *Execution) SignalNumber(ctx context.Context, number int) error {
	return e.signal(ctx, &pb.SignalRequest{Signal: int32(number)})
}

// Interrupt stops a piece of code as Ctrl-C does, and keeps its context. Of another program it is Signal with INT.
func (e *Execution) Interrupt(ctx context.Context) error { return e.Signal(ctx, "INT") }

// Cancel ends the execution: TERM, a grace, KILL of everything it started. Its end follows. A piece of code is
// interrupted, and its context killed when the piece has not ended after its grace.
func (e *Execution) Cancel(ctx context.Context) error {
	return e.signal(ctx, &pb.SignalRequest{Cancel: true})
}

func (e *Execution) signal(ctx context.Context, request *pb.SignalRequest) error {
	request.Lease, request.Execution = e.out.lease, e.id
	return e.call(ctx, "Signal", request, &pb.SignalResponse{})
}

// Resize tells the execution's terminal its new size.
func (e *Execution) Resize(ctx context.Context, rows, columns int) error {
	return e.call(ctx, "Resize", &pb.ResizeTerminalRequest{
		Lease: e.out.lease, Execution: e.id,
		Terminal: &pb.Terminal{Rows: uint32(rows), Columns: uint32(columns)},
	}, &pb.ResizeTerminalResponse{})
}

func (e *Execution) call(ctx context.Context, method string, request, response proto.Message) error {
	defer runtime.KeepAlive(e)
	return e.out.client.Call(ctx, poolService, method, request, response)
}
