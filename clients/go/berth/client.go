// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"math/rand"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	pb "berth.dev/go/berth/v1"
	"google.golang.org/protobuf/proto"
)

const (
	poolService    = "berth.v1.Pool"
	clientName     = "berth-go/0.1.0"
	defaultAddress = "127.0.0.1:7411"

	firstPause = 50 * time.Millisecond
	lastPause  = time.Second
)

// Options are for New; the zero value is good.
type Options struct {
	// TLS connects through TLS, in a way of your own. Without ServerName, the address's host is checked against the server's
	// certificate.
	TLS *tls.Config
	// CAFile names the authorities that may have signed the server's certificate; empty is $BERTH_TLS_CA, else the system's.
	// CertFile and KeyFile are this client's certificate and its key (in CertFile too, if KeyFile is empty), for servers that
	// want one; empty is $BERTH_TLS_CERT and $BERTH_TLS_KEY. All are in PEM format; any of them means TLS, as tls:// does.
	CAFile, CertFile, KeyFile string
	// ServerName is whom the server's certificate must name; empty is the address's host.
	ServerName string
	// ConnectTimeout is how long a call tries to connect; 0 is 5 s.
	ConnectTimeout time.Duration
	// Token is sent as "authorization: Bearer …" with every call; empty is $BERTH_TOKEN, else what is in the file that
	// $BERTH_TOKEN_FILE names.
	Token string
	// Keepalive is how long a server may say nothing to calls that wait; 0 is 60 s. After half of it, it is asked whether
	// it is there; after all of it the connection counts as lost.
	Keepalive time.Duration
	// Logf gets warnings: a lease or an execution that was dropped without being closed. Nil is log.Printf.
	Logf func(format string, arguments ...interface{})
}

// Client talks to one server, for any number of calls at a time, from any goroutine.
//
// It connects at its first call. When the connection ends, what is open on it fails with Unavailable at once, and no
// call is ever made twice; the next call connects again, and tries until ConnectTimeout or its context's deadline.
type Client struct {
	network, address string
	options          Options
	scheme           bool   // the address says tls://
	host             string // of the address
	renews           atomic.Bool
	credentials      atomic.Pointer[credentials]

	mu      sync.Mutex
	current *conn
	closed  bool
	dialing chan struct{} // closed when the one who connects is through
}

// New makes a client for HOST:PORT, :PORT (loopback), [IPv6]:PORT, tls:// and one of these, or unix:PATH; empty is
// $BERTH_SERVER, else 127.0.0.1:7411. It does not connect yet.
func New(address string, options Options) (*Client, error) {
	if address == "" {
		address = os.Getenv("BERTH_SERVER")
	}
	if address == "" {
		address = defaultAddress
	}
	c := &Client{network: "tcp", address: address, options: options}
	if options.ConnectTimeout <= 0 {
		c.options.ConnectTimeout = 5 * time.Second
	}
	if options.Keepalive <= 0 {
		c.options.Keepalive = 60 * time.Second
	}
	if options.Logf == nil {
		c.options.Logf = log.Printf
	}
	if path := strings.TrimPrefix(address, "unix:"); path != address {
		c.network, c.address = "unix", strings.TrimPrefix(path, "//")
		if c.address == "" {
			return nil, malformed(address, "not an address")
		}
		return c.ready()
	}
	rest := strings.TrimPrefix(address, "tls://")
	if strings.Contains(rest, "://") {
		return nil, malformed(address, "a URL, not an address")
	}
	host, port, err := net.SplitHostPort(rest)
	if _, wrong := strconv.ParseUint(port, 10, 16); err != nil || wrong != nil {
		return nil, malformed(address, "not an address")
	}
	if host == "" {
		host = "127.0.0.1"
	}
	c.address = net.JoinHostPort(host, port)
	c.scheme, c.host = rest != address, host
	return c.ready()
}

func (c *Client) ready() (*Client, error) {
	if err := c.readCredentials(); err != nil {
		return nil, err
	}
	return c, nil
}

// name is the address as a person writes it.
func (c *Client) name() string {
	switch {
	case c.network == "unix":
		return "unix:" + c.address
	case c.credentials.Load().tls != nil:
		return "tls://" + c.address
	default:
		return c.address
	}
}

func malformed(address, what string) *Error {
	use := "HOST:PORT, such as 127.0.0.1:7411 or [::1]:7411, or unix:/path/to/socket"
	if strings.HasPrefix(address, "tls:") {
		use = "tls://HOST:PORT, such as tls://berth.example:7411 or tls://[::1]:7411"
	}
	return newError(InvalidArgument, "%q is %s: use %s", address, what, use)
}

// Dial makes a client and connects it, so that a server that is not there shows at once.
func Dial(ctx context.Context, address string) (*Client, error) {
	c, err := New(address, Options{})
	if err != nil {
		return nil, err
	}
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, ofContext(ctx, err)
	}
	c.current = conn
	return c, nil
}

// Close closes the connection. What runs on it is cancelled; leases that are not detached end soon after.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	current := c.current
	c.current = nil
	c.mu.Unlock()
	if current != nil {
		current.fail(newError(Unavailable, "the client is closed"))
	}
	return nil
}

// connection returns one that is open, and connects if there is none.
func (c *Client) connection(ctx context.Context) (*conn, error) {
	var until time.Time
	pause := firstPause
	for {
		c.mu.Lock()
		if c.closed {
			c.mu.Unlock()
			return nil, newError(Unavailable, "the client is closed")
		}
		if c.current != nil && !c.current.isOver() {
			defer c.mu.Unlock()
			return c.current, nil
		}
		if other := c.dialing; other != nil {
			c.mu.Unlock()
			select {
			case <-other:
				continue
			case <-ctx.Done():
				return nil, contextError(ctx)
			}
		}
		through := make(chan struct{})
		c.dialing = through
		c.mu.Unlock()

		if until.IsZero() {
			until = time.Now().Add(c.options.ConnectTimeout)
		}
		dialed, err := c.dialUntil(ctx, until, pause)

		c.mu.Lock()
		c.dialing = nil
		close(through)
		if err == nil && c.closed {
			err = newError(Unavailable, "the client is closed")
			dialed.fail(err)
		}
		if err == nil {
			c.current = dialed
		}
		c.mu.Unlock()
		if err != nil {
			return nil, err
		}
		return dialed, nil
	}
}

// dialUntil tries to connect again and again, at lengthening intervals.
func (c *Client) dialUntil(ctx context.Context, until time.Time, pause time.Duration) (*conn, error) {
	bounded, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	var last error
	for {
		dialed, err := c.dial(bounded)
		if err == nil {
			return dialed, nil
		}
		// An attempt that was cut short says less than the one before.
		if last == nil || !errors.Is(err, context.DeadlineExceeded) {
			last = err
		}
		if distrust(err, c.credentials.Load().tls) != "" || CodeOf(err) == InvalidArgument {
			return nil, err
		}
		jittered := pause/2 + time.Duration(rand.Int63n(int64(pause/2)))
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return nil, contextError(ctx)
			}
			return nil, ofContext(ctx, last)
		case <-bounded.Done():
			return nil, ofContext(ctx, last)
		case <-time.After(jittered):
		}
		if pause *= 2; pause > lastPause {
			pause = lastPause
		}
	}
}

// ofContext is the same error, which also is the context's if that is done.
func ofContext(ctx context.Context, err error) error {
	deadline, ok := ctx.Deadline()
	var typed *Error
	if errors.As(err, &typed) && ok && !time.Now().Before(deadline) {
		typed.context = context.DeadlineExceeded
	}
	return err
}

func (c *Client) dial(ctx context.Context) (*conn, error) {
	// The files may have been exchanged since the last time; what New has read is fresh the first time.
	if c.renews.Swap(true) {
		if err := c.readCredentials(); err != nil {
			return nil, err
		}
	}
	credentials := c.credentials.Load()
	ctx, cancel := context.WithTimeout(ctx, c.options.ConnectTimeout)
	defer cancel()
	nc, err := (&net.Dialer{}).DialContext(ctx, c.network, c.address) // which sets TCP_NODELAY
	if err == nil && credentials.tls != nil {
		nc, err = c.handshake(ctx, nc, credentials.tls)
	}
	if wrong := distrust(err, credentials.tls); wrong != "" {
		return nil, &Error{Code: Unavailable, cause: err, Message: "no TLS with the server at " + c.name() + ": " + wrong}
	}
	if err != nil {
		return nil, &Error{
			Code: Unavailable, cause: err,
			Message: "no Berth server at " + c.name() + ": " + err.Error() +
				"; start one with \"berth serve\", or name another with BERTH_SERVER",
		}
	}
	return newConn(nc, credentials.metadata, c.options.Keepalive, credentials.tls), nil
}

func (c *Client) handshake(ctx context.Context, nc net.Conn, config *tls.Config) (net.Conn, error) {
	secured := tls.Client(nc, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		nc.Close()
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("it did not finish the handshake of TLS in time, perhaps it speaks none: %w", err)
		}
		return nil, err
	}
	return secured, nil
}

// Call makes any unary call, those of berth.v1.Admin for instance.
func (c *Client) Call(ctx context.Context, service, method string, request, response proto.Message) error {
	return c.call(ctx, service, method, request, response, nil)
}

func (c *Client) call(
	ctx context.Context, service, method string, request, response proto.Message, late func(*conn),
) error {
	conn, err := c.connection(ctx)
	if err != nil {
		return err
	}
	var whenLate func()
	if late != nil {
		whenLate = func() { late(conn) }
	}
	return conn.unary(ctx, service, method, request, response, whenLate)
}

// Hello says who is there.
func (c *Client) Hello(ctx context.Context) (*pb.HelloResponse, error) {
	var response pb.HelloResponse
	if err := c.Call(ctx, poolService, "Hello", &pb.HelloRequest{Client: clientName}, &response); err != nil {
		return nil, err
	}
	return &response, nil
}

// Stats is the server and its pools in numbers.
func (c *Client) Stats(ctx context.Context) (*pb.StatsResponse, error) {
	var response pb.StatsResponse
	if err := c.Call(ctx, poolService, "Stats", &pb.StatsRequest{}, &response); err != nil {
		return nil, err
	}
	return &response, nil
}

// Execute begins a program in a member of its own, which is acquired and released around it, in one round trip. It
// returns when the program has started, or has failed to.
func (c *Client) Execute(ctx context.Context, command *Command) (*Execution, error) {
	return c.execute(ctx, command, nil)
}

// Attach watches an execution that was begun with Client.Execute.
func (c *Client) Attach(ctx context.Context, execution string, options AttachOptions) (*Execution, error) {
	return c.attach(ctx, execution, nil, options)
}

// Run runs a program in a member of its own and collects all that it writes.
func (c *Client) Run(ctx context.Context, command *Command) (*Result, error) {
	return c.run(ctx, command, nil)
}

func (c *Client) run(ctx context.Context, command *Command, lease *Lease) (*Result, error) {
	if command.KeepStdinOpen {
		return nil, newError(InvalidArgument, "Run has no way to write to a standard input that is kept open: use Execute")
	}
	e, err := c.execute(ctx, command, lease)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	return e.collect()
}
