// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"

	pb "berth.dev/go/berth/v1"
	"google.golang.org/protobuf/proto"
)

// AcquireOptions say which member is leased; the zero value is good.
type AcquireOptions struct {
	// Pool is a pool's name; empty is the default pool.
	Pool string
	// Wait is how long to wait in line when no member is warm; 0 is the server's default.
	Wait time.Duration
	// Detached leases outlive their connection; time alone ends them.
	Detached bool
	// TTL is how long the lease lasts without use; 0 is the server's longest.
	TTL time.Duration
}

// Lease is a member, leased. Close it when done; one that was acquired here and is garbage-collected without that is
// released, with a warning, unless it is detached. An Execution holds its lease.
type Lease struct {
	// Token: whoever knows it may use the lease.
	Token string
	// Member is its name, for logs.
	Member string
	// TTL is how long the lease lasts without use.
	TTL time.Duration
	// Warm: the member was idle; else it was created while the call waited.
	Warm bool

	client  *Client
	isOwned atomic.Bool // acquired here, not detached and not released
}

// token is "" of no lease.
func (l *Lease) token() string {
	if l == nil {
		return ""
	}
	return l.Token
}

// own has the lease released when it is dropped.
func (l *Lease) own() {
	l.isOwned.Store(true)
	runtime.SetFinalizer(l, func(l *Lease) {
		if !l.isOwned.Load() {
			return
		}
		l.client.mu.Lock()
		current := l.client.current
		l.client.mu.Unlock()
		if current == nil || current.isOver() {
			return // it ends with its connection
		}
		l.client.options.Logf("berth: a lease of %s was dropped without Close", l.Member)
		current.post(poolService, "Release", &pb.ReleaseRequest{Lease: l.Token}, &pb.ReleaseResponse{})
	})
}

func (l *Lease) call(ctx context.Context, method string, request, response proto.Message) error {
	defer runtime.KeepAlive(l)
	return l.client.Call(ctx, poolService, method, request, response)
}

// Acquire leases a member. When ctx is done meanwhile, a lease that comes of it all the same is released.
func (c *Client) Acquire(ctx context.Context, options AcquireOptions) (*Lease, error) {
	var response pb.AcquireResponse
	request := &pb.AcquireRequest{
		Pool: options.Pool, WaitMs: milliseconds(options.Wait), Detached: options.Detached, TtlMs: milliseconds(options.TTL),
	}
	err := c.call(ctx, poolService, "Acquire", request, &response, func(conn *conn) {
		conn.post(poolService, "Release", &pb.ReleaseRequest{Lease: response.Lease}, &pb.ReleaseResponse{})
	})
	if err != nil {
		return nil, err
	}
	lease := &Lease{
		Token: response.Lease, Member: response.Member, TTL: time.Duration(response.TtlMs) * time.Millisecond,
		Warm: response.Warm, client: c,
	}
	if !options.Detached {
		lease.own()
	}
	return lease, nil
}

// Lease makes a lease of a token that was got elsewhere, without a call.
func (c *Client) Lease(token string) *Lease { return &Lease{Token: token, client: c} }

// WithLease acquires a lease, calls use, and releases the lease, however use ends.
func (c *Client) WithLease(ctx context.Context, options AcquireOptions, use func(*Lease) error) error {
	lease, err := c.Acquire(ctx, options)
	if err != nil {
		return err
	}
	defer lease.Close()
	return use(lease)
}

// Release ends the lease and what runs in it.
func (l *Lease) Release(ctx context.Context) error {
	err := l.call(ctx, "Release", &pb.ReleaseRequest{Lease: l.Token}, &pb.ReleaseResponse{})
	if err == nil || CodeOf(err) == NotFound {
		l.isOwned.Store(false)
	}
	return err
}

// Close is Release for defer: it takes 5 s at most.
func (l *Lease) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return l.Release(ctx)
}

// Renew extends the lease, which every other call on it does too. A ttl of 0 is as before.
func (l *Lease) Renew(ctx context.Context, ttl time.Duration) (time.Duration, error) {
	var response pb.RenewResponse
	request := &pb.RenewRequest{Lease: l.Token, TtlMs: milliseconds(ttl)}
	if err := l.call(ctx, "Renew", request, &response); err != nil {
		return 0, err
	}
	return time.Duration(response.TtlMs) * time.Millisecond, nil
}

// Execute begins a program. It returns when the program has started, or has failed to.
func (l *Lease) Execute(ctx context.Context, command *Command) (*Execution, error) {
	return l.client.execute(ctx, command, l)
}

// Run runs a program and collects all that it writes.
func (l *Lease) Run(ctx context.Context, command *Command) (*Result, error) {
	return l.client.run(ctx, command, l)
}

// Attach watches an execution of the lease, from any connection.
func (l *Lease) Attach(ctx context.Context, execution string, options AttachOptions) (*Execution, error) {
	return l.client.attach(ctx, execution, l, options)
}

// Executions are those that run, and those that have ended and are still kept; the oldest first.
func (l *Lease) Executions(ctx context.Context) ([]*pb.ExecutionInfo, error) {
	var response pb.ListExecutionsResponse
	request := &pb.ListExecutionsRequest{Lease: l.Token}
	if err := l.call(ctx, "ListExecutions", request, &response); err != nil {
		return nil, err
	}
	return response.Executions, nil
}
