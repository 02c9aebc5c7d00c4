// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"context"
	"sync"

	pb "berth.dev/go/berth/v1"
	"google.golang.org/protobuf/proto"
)

const (
	defaultWindow = 256 << 10
	minWindow     = 64 << 10
	maxWindow     = 1 << 20
	// A server that knows no windows sends what the connection takes. Past so many windows the connection's reader
	// waits, and everything on the connection with it.
	lastResort = 4
	// Neighbouring pieces of one stream are joined up to this size, so that a byte at a time does not cost a chunk
	// each.
	joined = 32 << 10
	// So many events are acknowledged at the latest: a server has no more than 60 under way, however small they are.
	eventsPerCredit = 30
)

func clampWindow(window int) uint64 {
	switch {
	case window <= 0:
		return defaultWindow
	case window < minWindow:
		return minWindow
	case window > maxWindow:
		return maxWindow
	}
	return uint64(window)
}

// streams is how many there are: stdout, stderr, and what a piece of code shows, of which positions count the bytes.
const (
	streams = 3
	shown   = int(pb.OutputStream_EVENTS)
)

// chunk is a piece of output, or a gap in it, or something shown.
type chunk struct {
	order   uint64 // among the chunks of all streams
	offset  uint64
	data    []byte
	shown   Event  // of what is shown
	size    uint64 // of it
	dropped uint64
	events  int // how many the server sent for it
}

func (c *chunk) end() uint64 { return c.offset + c.held() + c.dropped }

func (c *chunk) held() uint64 { return uint64(len(c.data)) + c.size }

// output is the stream of one call that sends bytes with credit: Execute, Attach, ReadFile and ReadArchive. It holds at
// most the window, and acknowledges what its reader took.
type output struct {
	client *Client
	conn   *conn
	lease  string
	window uint64
	// decode turns a message into what the stream needs of it.
	decode func(data []byte, into *message) error

	mu          sync.Mutex
	changed     sync.Cond
	queues      [streams][]chunk
	order       uint64
	held        uint64
	discards    [streams]bool // what nobody will read is acknowledged as it comes
	came        uint64        // the position of what was shown last
	consumed    [streams]uint64
	acked       [streams]uint64
	taken       int // events since the last credit
	execution   string
	watcher     uint32
	outputEnded bool          // of a connection: the other side has sent all
	first       *message      // the first message has come
	last        *message      // so has the last
	err         *Error        // or the call has failed
	over        chan struct{} // closed when nothing more comes
	isOver      bool
	left        func() // what to do when it has not ended and is not wanted: set once abandoned and not started yet
}

// message is what may come on such a stream; one of started, output, shown, dropped and last is set.
type message struct {
	started     bool
	execution   string
	watcher     uint32
	info        *pb.FileInfo
	member      string
	output      *pb.Output
	shown       Event
	position    uint64 // of shown
	dropped     *pb.Dropped
	outputEnded bool
	ended       *pb.Ended
	fileEnd     *pb.FileEnd
}

func newOutput(client *Client, conn *conn, lease string, window uint64, decode func([]byte, *message) error) *output {
	o := &output{client: client, conn: conn, lease: lease, window: window, decode: decode, over: make(chan struct{})}
	o.changed.L = &o.mu
	return o
}

func decodeExecuteEvent(data []byte, into *message) error {
	var event pb.ExecuteEvent
	if err := proto.Unmarshal(data, &event); err != nil {
		return err
	}
	if started := event.GetStarted(); started != nil {
		*into = message{started: true, execution: started.Execution, watcher: started.Watcher, member: started.Member}
	}
	into.output, into.dropped, into.ended = event.GetOutput(), event.GetDropped(), event.GetEnded()
	into.outputEnded = event.GetOutputEnded() != nil
	switch {
	case event.GetDisplay() != nil:
		into.shown, into.position = newDisplay(event.GetDisplay()), event.GetDisplay().Position
	case event.GetFailure() != nil:
		into.shown, into.position = newFailure(event.GetFailure()), event.GetFailure().Position
	case event.GetPrompt() != nil:
		into.shown, into.position = newPrompt(event.GetPrompt()), event.GetPrompt().Position
	}
	return nil
}

func decodeFileEvent(data []byte, into *message) error {
	var event pb.FileEvent
	if err := proto.Unmarshal(data, &event); err != nil {
		return err
	}
	if start := event.GetStart(); start != nil {
		*into = message{started: true, execution: start.Execution, watcher: start.Watcher, info: start.Info}
	}
	into.output, into.fileEnd = event.GetOutput(), event.GetEnd()
	return nil
}

// begin sends the request; when ctx is done before the end, the stream fails and the server is told to end it.
func (o *output) begin(ctx context.Context, method string, request proto.Message, onLeave func()) error {
	timeout, err := timeLeft(ctx)
	if err != nil {
		return err
	}
	if err := o.conn.begin(flagRemoteClosed, poolService, method, request, timeout, o); err != nil {
		return err
	}
	if ctx.Done() != nil {
		go func() {
			select {
			case <-o.over:
			case <-ctx.Done():
				o.leave(contextError(ctx), onLeave)
			}
		}()
	}
	return nil
}

// waitStarted waits for the first message, and returns it.
func (o *output) waitStarted() (*message, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.first == nil && !o.isOver {
		o.changed.Wait()
	}
	if o.first == nil {
		return nil, o.failure()
	}
	return o.first, nil
}

func (o *output) failure() error {
	if o.err == nil {
		return newError(Internal, "the server ended the stream too early")
	}
	return o.err
}

// data is called by the connection's reader.
func (o *output) data(data []byte) {
	var m message
	err := o.decode(data, &m)
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		o.finish(newError(Internal, "the server sent a malformed event: %v", err))
		return
	}
	if o.first == nil {
		o.first = &m
	}
	if m.started {
		o.execution, o.watcher = m.execution, m.watcher
		if o.left != nil {
			o.left()
			o.left = nil
		}
	}
	if o.isOver {
		return
	}
	switch {
	case m.output != nil && m.output.Stream >= 0 && m.output.Stream < 2:
		o.push(int(m.output.Stream), chunk{offset: m.output.Offset, data: m.output.Data, events: 1})
	case m.shown != nil:
		// Its size is how far it brings the position.
		c := chunk{offset: m.position, shown: m.shown, events: 1}
		if m.position > o.came {
			c.offset, c.size = o.came, m.position-o.came
		}
		o.came = m.position
		o.push(shown, c)
	case m.dropped != nil && m.dropped.Stream >= 0 && m.dropped.Stream < streams:
		if m.dropped.Stream == pb.OutputStream_EVENTS {
			o.came = m.dropped.Offset + m.dropped.Bytes
		}
		o.push(int(m.dropped.Stream), chunk{offset: m.dropped.Offset, dropped: m.dropped.Bytes})
	case m.outputEnded:
		o.outputEnded = true
	case m.ended != nil || m.fileEnd != nil:
		o.last = &m
		o.finish(nil)
	}
	o.changed.Broadcast()
}

func (o *output) push(stream int, c chunk) {
	if o.discards[stream] {
		o.consume(stream, c.end(), c.events)
		return
	}
	// A gap holds nothing, and is never waited for: what it is behind may be larger than all windows.
	for c.held() > 0 && o.held > lastResort*o.window && !o.isOver && !o.discards[stream] {
		o.changed.Wait()
	}
	if o.isOver {
		return
	}
	o.held += c.held()
	o.order++
	c.order = o.order
	queue := o.queues[stream]
	if n := len(queue); n > 0 && c.dropped == 0 && stream != shown {
		last := &queue[n-1]
		if last.dropped == 0 && last.order == o.order-1 && len(last.data)+len(c.data) <= joined {
			last.data = append(last.data, c.data...)
			last.events += c.events
			o.order--
			return
		}
	}
	o.queues[stream] = append(queue, c)
}

// consume notes that all of a stream before offset was taken, and gives the credit back in quarters of the window or for
// many events. Never for less: a server that gets credit for each small piece has only small pieces to send.
func (o *output) consume(stream int, offset uint64, events int) {
	if offset > o.consumed[stream] {
		o.consumed[stream] = offset
	}
	o.taken += events
	owed := uint64(0)
	for stream, consumed := range o.consumed {
		owed += consumed - o.acked[stream]
	}
	if o.isOver || owed < o.window/4 && o.taken < eventsPerCredit {
		return
	}
	o.taken = 0
	o.acked = o.consumed
	o.conn.post(poolService, "Acknowledge", &pb.AcknowledgeRequest{
		Lease: o.lease, Execution: o.execution, Watcher: o.watcher,
		StdoutOffset: o.acked[0], StderrOffset: o.acked[1], EventsPosition: o.acked[shown],
	}, &pb.AcknowledgeResponse{})
}

// end is called when the call has ended, well or not.
func (o *output) end(_ []byte, err *Error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.finish(err)
}

func (o *output) finish(err *Error) {
	if o.isOver {
		return
	}
	o.isOver = true
	if o.last == nil {
		o.err = err
	}
	close(o.over)
	o.changed.Broadcast()
}

// leave gives the stream up: it fails with err here, and tell, which does not block, tells the server, once it has said
// which execution this is. False: it was over.
func (o *output) leave(err *Error, tell func()) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.leaveLocked(err, tell)
}

// leaveUnlessStarted is leave for who only waits for the start.
func (o *output) leaveUnlessStarted(err *Error, tell func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.first == nil {
		o.leaveLocked(err, tell)
	}
}

func (o *output) leaveLocked(err *Error, tell func()) bool {
	if o.isOver {
		return false
	}
	o.finish(err)
	o.queues = [streams][]chunk{}
	o.held = 0
	if o.execution != "" {
		tell()
	} else {
		o.left = tell
	}
	return true
}

// detach tells the server that this watcher has seen enough. For leave.
func (o *output) detach() {
	o.conn.post(poolService, "Detach", &pb.DetachRequest{
		Lease: o.lease, Execution: o.execution, Watcher: o.watcher,
	}, &pb.DetachResponse{})
}

// cancel ends the execution. For leave.
func (o *output) cancel() {
	o.conn.post(poolService, "Signal", &pb.SignalRequest{
		Lease: o.lease, Execution: o.execution, Cancel: true,
	}, &pb.SignalResponse{})
}
