// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"context"
	"io"
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

// chunk is a piece of output, or a gap in it.
type chunk struct {
	order   uint64 // among the chunks of both streams
	offset  uint64
	data    []byte
	dropped uint64
	events  int // how many the server sent for it
}

func (c *chunk) end() uint64 { return c.offset + uint64(len(c.data)) + c.dropped }

// output is the stream of one call that sends bytes with credit: Execute, Attach, ReadFile and ReadArchive. It holds at
// most the window, and acknowledges what its reader took.
type output struct {
	client *Client
	conn   *conn
	lease  string
	window uint64
	// decode turns a message into what the stream needs of it.
	decode func(data []byte, into *message) error

	mu        sync.Mutex
	changed   sync.Cond
	queues    [2][]chunk
	order     uint64
	held      uint64
	discards  [2]bool // what nobody will read is acknowledged as it comes
	consumed  [2]uint64
	acked     [2]uint64
	taken     int // events since the last credit
	execution string
	watcher   uint32
	first     *message      // the first message has come
	last      *message      // so has the last
	err       *Error        // or the call has failed
	over      chan struct{} // closed when nothing more comes
	isOver    bool
	left      func() // what to do when it has not ended and is not wanted: set once abandoned and not started yet
}

// message is what may come on such a stream; one of started, output, dropped and last is set.
type message struct {
	started   bool
	execution string
	watcher   uint32
	info      *pb.FileInfo
	member    string
	output    *pb.Output
	dropped   *pb.Dropped
	ended     *pb.Ended
	fileEnd   *pb.FileEnd
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
	case m.dropped != nil && m.dropped.Stream >= 0 && m.dropped.Stream < 2:
		o.push(int(m.dropped.Stream), chunk{offset: m.dropped.Offset, dropped: m.dropped.Bytes})
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
	for o.held > lastResort*o.window && !o.isOver && !o.discards[stream] {
		o.changed.Wait()
	}
	if o.isOver {
		return
	}
	o.held += uint64(len(c.data))
	o.order++
	c.order = o.order
	queue := o.queues[stream]
	if n := len(queue); n > 0 && c.dropped == 0 {
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
	owed := o.consumed[0] - o.acked[0] + o.consumed[1] - o.acked[1]
	if o.isOver || owed < o.window/4 && o.taken < eventsPerCredit {
		return
	}
	o.taken = 0
	o.acked = o.consumed
	o.conn.post(poolService, "Acknowledge", &pb.AcknowledgeRequest{
		Lease: o.lease, Execution: o.execution, Watcher: o.watcher,
		StdoutOffset: o.acked[0], StderrOffset: o.acked[1],
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
	if o.isOver {
		return false
	}
	o.finish(err)
	o.queues = [2][]chunk{}
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

// pop takes the head of a queue, or up to limit bytes of it.
func (o *output) pop(stream int, limit int) chunk {
	head := &o.queues[stream][0]
	taken := *head
	if limit > 0 && len(head.data) > limit {
		taken.data, taken.events = head.data[:limit:limit], 0
		head.data = head.data[limit:]
		head.offset += uint64(limit)
	} else {
		o.queues[stream] = o.queues[stream][1:]
		if len(o.queues[stream]) == 0 {
			o.queues[stream] = nil
		}
	}
	o.held -= uint64(len(taken.data))
	o.consume(stream, taken.end(), taken.events)
	if o.held <= lastResort*o.window {
		o.changed.Broadcast()
	}
	return taken
}

// next takes the oldest chunk of both streams; io.EOF comes after the end.
func (o *output) next() (stream int, c chunk, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		out, errs := o.queues[0], o.queues[1]
		switch {
		case len(out) > 0 && (len(errs) == 0 || out[0].order < errs[0].order):
			return 0, o.pop(0, 0), nil
		case len(errs) > 0:
			return 1, o.pop(1, 0), nil
		case o.last != nil:
			return 0, chunk{}, io.EOF
		case o.isOver:
			return 0, chunk{}, o.failure()
		}
		o.changed.Wait()
	}
}

// read reads one of the streams. A gap is an error of type *Dropped, after which reading goes on.
func (o *output) read(stream int, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.queues[stream]) == 0 {
		switch {
		case o.last != nil:
			return 0, io.EOF
		case o.isOver:
			return 0, o.failure()
		}
		o.changed.Wait()
	}
	c := o.pop(stream, len(p))
	if c.dropped > 0 {
		return 0, &Dropped{Stream: Stream(stream), Offset: c.offset, Bytes: c.dropped}
	}
	return copy(p, c.data), nil
}

// discard drops what is held of a stream and what still comes.
func (o *output) discard(stream int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.discards[stream] = true
	for len(o.queues[stream]) > 0 {
		o.pop(stream, 0)
	}
	o.changed.Broadcast()
}
