// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	pb "berth.dev/go/berth/v1"
)

// ConnectOptions say where a connection goes: to Path or to Port.
type ConnectOptions struct {
	// Path is a unix socket's in the container, absolute; any bytes.
	Path string
	// Port is one of the container's loopback.
	Port int
	// Wait is how long to wait until somebody listens there; 0: not at all.
	Wait time.Duration
	// Timeout is after what the connection is closed; 0: the longest that the server allows.
	Timeout time.Duration
	// IdleTimeout is the same since bytes last went either way; 0: none.
	IdleTimeout time.Duration
	// Window is as in Command.
	Window int
}

// Conn is a connection into a container: a net.Conn. One goroutine may read while another writes.
//
// A read fails with syscall.ECONNRESET when the other side broke the connection off, and with an *EndError when the lease,
// the server or a time-out ended it; a write with syscall.EPIPE when the other side takes no more. After a Write that ran
// out of time, write the rest again or close: what was taken of it beyond n is passed over.
type Conn struct {
	out    *output
	id     string
	lease  *Lease
	remote connAddr

	closed  chan struct{}
	closing sync.Once

	readDeadline time.Time   // with out.mu
	readTimer    *time.Timer // likewise
	write        deadline
	writing      sync.Mutex
	inputAt      uint64
	inputEnded   bool
}

type connAddr struct{ network, name string }

func (a connAddr) Network() string { return a.network }
func (a connAddr) String() string  { return a.name }

// DialContext is for http.Transport and its like: a "tcp" address names a port of the container's loopback, a "unix"
// address the path of a socket in the container. ctx bounds the connecting alone.
func (l *Lease) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	options := ConnectOptions{Path: address}
	switch network {
	case "tcp", "tcp4", "tcp6":
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, newError(InvalidArgument, "%q is not an address in a container: use 127.0.0.1:PORT", address)
		}
		if ip := net.ParseIP(host); host != "" && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return nil, newError(InvalidArgument, "%q is not in the container: only its loopback can be reached", address)
		}
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return nil, newError(InvalidArgument, "%q is not a port: use 1 to 65535", port)
		}
		options = ConnectOptions{Port: int(number)}
	case "unix":
	default:
		return nil, newError(InvalidArgument, "%q is not a network of a container: use tcp or unix", network)
	}
	c, err := l.Connect(ctx, options)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Connect makes a connection to what listens in the container. ctx bounds the connecting alone. What can't be made is an
// error with a reason: CONNECTION_REFUSED, NO_SUCH_FILE, NOT_A_SOCKET …
func (l *Lease) Connect(ctx context.Context, options ConnectOptions) (*Conn, error) {
	conn, err := l.client.connection(ctx)
	if err != nil {
		return nil, err
	}
	request := &pb.ConnectRequest{
		Lease: l.Token, Port: uint32(options.Port), WaitMs: milliseconds(options.Wait), TimeoutMs: milliseconds(options.Timeout),
		IdleTimeoutMs: milliseconds(options.IdleTimeout), WindowBytes: clampWindow(options.Window),
	}
	request.Path, request.PathRaw = text(options.Path)
	remote := connAddr{"unix", options.Path}
	if options.Path == "" {
		remote = connAddr{"tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(options.Port))}
	}
	out := newOutput(l.client, conn, l.Token, request.WindowBytes, decodeExecuteEvent)
	if err := out.begin(context.Background(), "Connect", request, nil); err != nil {
		return nil, err
	}
	made := make(chan struct{})
	defer close(made)
	if ctx.Done() != nil {
		go func() {
			select {
			case <-made:
			case <-ctx.Done():
				out.leaveUnlessStarted(contextError(ctx), out.detach)
			}
		}()
	}
	first, err := out.waitStarted()
	if err != nil {
		return nil, err
	}
	if first.ended != nil {
		return nil, (&Conn{remote: remote}).failure("dial", &EndError{newEnd(first.ended), "the connection"})
	}
	c := &Conn{out: out, id: first.execution, lease: l, remote: remote, closed: make(chan struct{}), write: newDeadline()}
	runtime.SetFinalizer(c, (*Conn).dropped)
	return c, nil
}

// dropped is the finalizer.
func (c *Conn) dropped() {
	if c.out.leave(newError(Cancelled, "the connection was dropped"), c.out.detach) {
		c.out.client.options.Logf("berth: a connection to %s was dropped without Close", c.remote)
	}
}

// Read reads what comes. io.EOF: the other side has sent all.
func (c *Conn) Read(p []byte) (int, error) {
	defer runtime.KeepAlive(c)
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	for {
		switch {
		case c.isClosed():
			return 0, c.failure("read", net.ErrClosed)
		case !c.readDeadline.IsZero() && !time.Now().Before(c.readDeadline):
			return 0, c.failure("read", os.ErrDeadlineExceeded)
		case len(p) == 0:
			return 0, nil
		case len(c.out.queues[Stdout]) > 0:
			return copy(p, c.out.pop(int(Stdout), len(p)).data), nil
		case c.out.outputEnded:
			return 0, io.EOF
		case c.out.last != nil:
			return 0, c.endError()
		case c.out.isOver:
			return 0, c.failure("read", c.out.failure())
		}
		c.out.changed.Wait()
	}
}

func (c *Conn) endError() error {
	switch end := newEnd(c.out.last.ended); end.Cause {
	case CauseExited:
		return io.EOF
	case CauseConnectionReset:
		return c.failure("read", syscall.ECONNRESET)
	default:
		return c.failure("read", &EndError{end, "the connection"})
	}
}

func (c *Conn) failure(op string, err error) error {
	return &net.OpError{Op: op, Net: "berth", Addr: c.remote, Err: err}
}

func (c *Conn) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}

// Write returns when the bytes are with the other side's kernel.
func (c *Conn) Write(p []byte) (n int, err error) {
	for n < len(p) {
		part := p[n:]
		if len(part) > maxInput {
			part = part[:maxInput]
		}
		if err := c.input(part, false); err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

// CloseWrite tells the other side that all was sent; it may go on sending.
func (c *Conn) CloseWrite() error { return c.input(nil, true) }

func (c *Conn) input(data []byte, end bool) error {
	defer runtime.KeepAlive(c)
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.isClosed() {
		return c.failure("write", net.ErrClosed)
	}
	if c.inputEnded {
		if end {
			return nil
		}
		return c.failure("write", syscall.EPIPE)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	expired := c.write.passed()
	go func() {
		select {
		case <-expired:
		case <-c.closed:
		case <-ctx.Done():
		}
		cancel()
	}()
	var response pb.InputResponse
	request := &pb.InputRequest{Lease: c.out.lease, Execution: c.id, Offset: c.inputAt, Data: data, End: end}
	err := c.out.client.Call(ctx, poolService, "Input", request, &response)
	switch code := CodeOf(err); {
	case code == OK:
		c.inputAt = response.Offset
		c.inputEnded = end
		return nil
	case c.isClosed():
		return c.failure("write", net.ErrClosed)
	case ctx.Err() != nil:
		return c.failure("write", os.ErrDeadlineExceeded)
	case code != FailedPrecondition && code != NotFound:
		return c.failure("write", err)
	case end:
		return nil
	}
	return c.failure("write", fmt.Errorf("%w: %v", syscall.EPIPE, err))
}

// Close closes the connection, both ways. What Write has returned for arrives.
func (c *Conn) Close() error {
	c.closing.Do(func() {
		close(c.closed)
		c.out.leave(newError(Cancelled, "the connection was closed"), c.out.detach)
		c.wake()
	})
	return nil
}

func (c *Conn) wake() {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.out.changed.Broadcast()
}

// LocalAddr has no name.
func (c *Conn) LocalAddr() net.Addr { return connAddr{network: c.remote.network} }

// RemoteAddr is where it goes in the container.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (c *Conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

// SetReadDeadline also counts for a Read that waits; the connection outlives it.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	if c.readTimer != nil {
		c.readTimer.Stop()
		c.readTimer = nil
	}
	c.readDeadline = t
	if !t.IsZero() {
		c.readTimer = time.AfterFunc(time.Until(t), c.wake)
	}
	c.out.changed.Broadcast()
	return nil
}

// SetWriteDeadline also counts for a Write that waits.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.write.set(t)
	return nil
}
