// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	pb "berth.dev/go/berth/v1"
	"google.golang.org/protobuf/proto"
)

// Requests that the server does not read are kept up to here; then calls fail instead.
const maxUnsent = 16 << 20

// How long what a server says last is waited for, when nothing can be written any more.
const lastWords = 100 * time.Millisecond

// receiver takes what comes on one stream. Bytes are valid during the call only.
type receiver interface {
	// data takes one message of a stream.
	data(data []byte)
	// end takes the answer of a unary call or, with nothing, the good end of a stream; or what went wrong. It comes
	// once.
	end(payload []byte, err *Error)
}

// conn is one connection. It ends once, and is not used again.
type conn struct {
	nc       net.Conn
	raw      syscall.RawConn // nil where bytes can't be written past the net.Conn (TLS)
	tls      *tls.Config     // nil: plain
	metadata map[string]string
	done     chan struct{} // closed when the connection has ended

	keepalive time.Duration
	heard     atomic.Bool // something has come since the last look
	delivers  atomic.Bool // the reader waits for who takes what has come: then nothing more is read
	asked     bool        // of the timer's

	mu     sync.Mutex
	calls  map[uint32]receiver
	lastID uint32
	err    *Error
	timer  *time.Timer // runs while calls are open

	writing sync.Mutex
	unsent  []byte
	flushes bool // a goroutine writes unsent
	frame   []byte
}

func newConn(nc net.Conn, metadata map[string]string, keepalive time.Duration, config *tls.Config) *conn {
	c := &conn{
		nc: nc, tls: config, keepalive: keepalive, metadata: metadata, done: make(chan struct{}), calls: map[uint32]receiver{}, lastID: ^uint32(0),
	}
	if plain, ok := nc.(syscall.Conn); ok {
		c.raw, _ = plain.SyscallConn()
	}
	go c.read()
	return c
}

// begin sends a request, and what comes for it goes to r. It does not wait for the network.
func (c *conn) begin(
	flags byte, service, method string, message proto.Message, timeout time.Duration, r receiver,
) *Error {
	c.mu.Lock()
	if err := c.err; err != nil {
		c.mu.Unlock()
		return err
	}
	c.lastID += 2 // odd for ever: it began at -1
	for c.calls[c.lastID] != nil {
		c.lastID += 2
	}
	id := c.lastID
	c.calls[id] = r
	if c.timer == nil {
		c.heard.Store(true)
		c.asked = false
		c.timer = time.AfterFunc(c.keepalive/2, c.look)
	}
	c.mu.Unlock()

	if err := c.send(id, flags, service, method, message, timeout); err != nil {
		c.take(id)
		return err
	}
	return nil
}

// look asks a server that has said nothing for half of what is allowed whether it is there, and gives it up if it is
// silent on. It runs while calls are open.
func (c *conn) look() {
	c.mu.Lock()
	if len(c.calls) == 0 {
		c.timer = nil
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	silent := !c.heard.Swap(false) && !c.delivers.Load()
	switch {
	case silent && c.asked:
		c.fail(newError(Unavailable, "the server has said nothing for %v, and did not answer a Hello", c.keepalive))
		return
	case silent:
		c.post(poolService, "Hello", &pb.HelloRequest{Client: clientName}, &pb.HelloResponse{})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = silent
	if c.err == nil {
		c.timer.Reset(c.keepalive / 2)
	}
}

func (c *conn) take(id uint32) receiver {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.calls[id]
	delete(c.calls, id)
	return r
}

// send writes a frame as far as the kernel takes it at once, so that the usual call costs no other goroutine's turn,
// and leaves the rest to a goroutine, so that no caller is held beyond its context by a server that does not read.
func (c *conn) send(
	id uint32, flags byte, service, method string, message proto.Message, timeout time.Duration,
) *Error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if len(c.unsent) > maxUnsent {
		return newError(Unavailable, "the server does not read: %d bytes wait for it", len(c.unsent))
	}
	frame, err := appendRequest(c.frame[:0], id, flags, service, method, message, timeout, c.metadata)
	if err != nil {
		return err.(*Error)
	}
	if cap(frame) <= 64<<10 {
		c.frame = frame
	}
	if !c.flushes && c.raw != nil {
		frame = frame[tryWrite(c.raw, frame):]
	}
	if len(frame) == 0 {
		return nil
	}
	c.unsent = append(c.unsent, frame...)
	if !c.flushes {
		c.flushes = true
		go c.flush()
	}
	return nil
}

func (c *conn) flush() {
	for {
		c.writing.Lock()
		bytes := c.unsent
		c.unsent = nil
		if len(bytes) == 0 {
			c.flushes = false
			c.writing.Unlock()
			return
		}
		c.writing.Unlock()
		if _, err := c.nc.Write(bytes); err != nil {
			if c.tls != nil {
				// A server that refuses a client's certificate has said so before it closed: the reader may find it.
				_ = c.nc.SetReadDeadline(time.Now().Add(lastWords))
				select {
				case <-c.done:
				case <-time.After(lastWords):
				}
			}
			c.fail(err) // and the reader ends all calls
			return
		}
	}
}

func (c *conn) read() {
	frames := newFrameReader(heeding{c})
	for {
		h, data, err := frames.next()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return // the writer has failed, and says how
		}
		if err != nil {
			c.fail(err)
			return
		}
		c.delivers.Store(true)
		c.deliver(h, data)
		c.delivers.Store(false)
	}
}

// heeding reads from the connection, and notes that something came.
type heeding struct{ c *conn }

func (h heeding) Read(p []byte) (int, error) {
	n, err := h.c.nc.Read(p)
	h.c.heard.Store(true)
	return n, err
}

func (c *conn) deliver(h header, data []byte) {
	switch {
	case data == nil && h.length > maxData:
		if r := c.take(h.stream); r != nil {
			r.end(nil, newError(ResourceExhausted, "the server sent %d bytes; a message has %d at most", h.length, maxData))
		}
	case h.kind == kindResponse:
		r := c.take(h.stream)
		if r == nil {
			return
		}
		payload, status, err := parseResponse(data)
		if err != nil {
			status = newError(Internal, "the server sent %v", err)
		}
		r.end(payload, status)
	case h.kind == kindData:
		c.mu.Lock()
		r := c.calls[h.stream]
		c.mu.Unlock()
		if r == nil {
			return
		}
		if h.flags&flagNoData == 0 {
			r.data(data)
		}
		if h.flags&flagRemoteClosed != 0 && c.take(h.stream) != nil {
			r.end(nil, nil)
		}
	}
}

// fail ends the connection and every call on it.
func (c *conn) fail(cause error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	typed, ok := cause.(*Error)
	if !ok {
		// A server may refuse a client's certificate after the handshake.
		why := distrust(cause, c.tls)
		if why == "" {
			why = cause.Error()
		}
		typed = &Error{Code: Unavailable, Message: "the connection to the server has ended: " + why, cause: cause}
	}
	c.err = typed
	calls := c.calls
	c.calls = nil
	if c.timer != nil {
		c.timer.Stop()
	}
	close(c.done)
	c.mu.Unlock()
	c.nc.Close()
	for _, r := range calls {
		r.end(nil, typed)
	}
}

func (c *conn) isOver() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// unaryCall is a call with one answer.
type unaryCall struct {
	response proto.Message
	done     chan *Error
	left     chan struct{} // closed when the caller has left

	// late, if any, is called when a good answer comes after the caller has left. It does not block.
	late func()
}

func (u *unaryCall) data([]byte) {}

func (u *unaryCall) end(payload []byte, err *Error) {
	if err == nil {
		if e := proto.Unmarshal(payload, u.response); e != nil {
			err = newError(Internal, "the server sent a malformed %T: %v", u.response, e)
		}
	}
	u.done <- err
	if u.late == nil || err != nil {
		return
	}
	select {
	case <-u.left:
		// Only if nobody else took the answer: the caller may have been about to.
		select {
		case <-u.done:
			u.late()
		default:
		}
	default:
	}
}

// unary makes a call and waits for its answer.
func (c *conn) unary(ctx context.Context, service, method string, request, response proto.Message, late func()) error {
	timeout, err := timeLeft(ctx)
	if err != nil {
		return err
	}
	u := &unaryCall{response: response, done: make(chan *Error, 1), left: make(chan struct{}), late: late}
	if err := c.begin(0, service, method, request, timeout, u); err != nil {
		return err
	}
	select {
	case err := <-u.done:
		if err != nil {
			return err
		}
		return nil
	case <-ctx.Done():
	}
	close(u.left)
	if late != nil {
		// The answer may have come between the two.
		select {
		case err := <-u.done:
			if err == nil {
				late()
			}
		default:
		}
	}
	return contextError(ctx)
}

// post makes a call whose answer nobody needs.
func (c *conn) post(service, method string, request, response proto.Message) {
	_ = c.begin(0, service, method, request, 0, &unaryCall{response: response, done: make(chan *Error, 1)})
}

// timeLeft returns the time until the context's deadline, 0 if it has none.
func timeLeft(ctx context.Context) (time.Duration, error) {
	if ctx.Err() != nil {
		return 0, contextError(ctx)
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0, nil
	}
	left := time.Until(deadline)
	if left <= 0 {
		return 0, &Error{Code: DeadlineExceeded, Message: "the call's deadline has passed", cause: context.DeadlineExceeded}
	}
	return left, nil
}
