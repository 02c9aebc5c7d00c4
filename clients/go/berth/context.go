// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"context"
	"runtime"
	"time"

	pb "berth.dev/go/berth/v1"
	"google.golang.org/protobuf/proto"
)

// Context is an interpreter in a lease that keeps its state from one piece of code to the next. It runs one piece at a
// time, and holds its lease. It ends with Close, by what a piece does, or with its lease.
type Context struct {
	// ID is for Lease.Context elsewhere; keep it secret.
	ID string
	// Language is "python", "bash", "sh" or "node"; empty where only the id is known.
	Language string
	// Version is the interpreter's; empty where it does not tell.
	Version string

	lease *Lease
}

// ContextOptions are for Lease.OpenContext; the zero value is the server's choice. Env and Cwd may hold any bytes.
type ContextOptions struct {
	// Env is added to the environment that the pool gives.
	Env map[string]string
	// Cwd is absolute.
	Cwd string
	// UID is the user id it runs as.
	UID uint32
}

// PieceOptions say how a piece of code runs; each is as in Command.
type PieceOptions struct {
	Stdin []byte
	// KeepStdinOpen is for Execute: a Prompt is answered with Execution.Write.
	KeepStdinOpen bool

	// Timeout is after what the piece is interrupted; its context is killed if it has not ended after Grace.
	Timeout, Grace       time.Duration
	IdleTimeout, CPUTime time.Duration

	Window          int
	MaxOutput       uint64
	KillAtMaxOutput bool

	Resumable     time.Duration
	WaitUnwatched bool
}

// OpenContext starts an interpreter of a language ("python", "bash", "sh" or "node"), and returns when it takes code.
// FailedPrecondition, with the reason CONTEXT_START_FAILED, says why it can't be started. When ctx is done meanwhile, a
// context that comes of it all the same is closed.
func (l *Lease) OpenContext(ctx context.Context, language string, options ContextOptions) (*Context, error) {
	request := &pb.OpenContextRequest{Lease: l.Token, Language: language, Uid: options.UID}
	request.Env, request.EnvRaw = environment(options.Env)
	request.Cwd, request.CwdRaw = text(options.Cwd)
	var response pb.OpenContextResponse
	if err := l.makeContext(ctx, "OpenContext", request, &response); err != nil {
		return nil, err
	}
	return &Context{ID: response.Context, Language: language, Version: response.Version, lease: l}, nil
}

// makeContext is a call that makes a context.
func (l *Lease) makeContext(ctx context.Context, method string, request proto.Message, response madeContext) error {
	defer runtime.KeepAlive(l)
	return l.client.call(ctx, poolService, method, request, response, func(conn *conn) {
		late := &pb.CloseContextRequest{Lease: l.Token, Context: response.GetContext()}
		conn.post(poolService, "CloseContext", late, &pb.CloseContextResponse{})
	})
}

type madeContext interface {
	proto.Message
	GetContext() string
}

// Context makes a context of an id that was got elsewhere, without a call.
func (l *Lease) Context(id string) *Context { return &Context{ID: id, lease: l} }

// Contexts are the contexts of the lease, the oldest first.
func (l *Lease) Contexts(ctx context.Context) ([]*pb.ContextInfo, error) {
	var response pb.ListContextsResponse
	if err := l.call(ctx, "ListContexts", &pb.ListContextsRequest{Lease: l.Token}, &response); err != nil {
		return nil, err
	}
	return response.Contexts, nil
}

// Run runs a piece of code to its end: what it wrote and showed, whether it failed, and how it ended. At most one
// PieceOptions is given. When ctx is done, the piece is interrupted, and the context kept where that is enough.
func (c *Context) Run(ctx context.Context, code string, options ...PieceOptions) (*Result, error) {
	command, err := c.piece(code, options)
	if err != nil {
		return nil, err
	}
	return c.lease.Run(ctx, command)
}

// Execute begins a piece of code. Execution.Next gives Display, *Failure and Prompt beside its output. At most one
// PieceOptions is given.
func (c *Context) Execute(ctx context.Context, code string, options ...PieceOptions) (*Execution, error) {
	command, err := c.piece(code, options)
	if err != nil {
		return nil, err
	}
	return c.lease.Execute(ctx, command)
}

func (c *Context) piece(code string, options []PieceOptions) (*Command, error) {
	command := &Command{Code: code, context: c.ID}
	switch {
	case c.ID == "":
		return nil, newError(InvalidArgument, "the context has no id")
	case len(options) > 1:
		return nil, newError(InvalidArgument, "a piece of code has one PieceOptions at most, not %d", len(options))
	case len(options) == 1:
		o := options[0]
		command.Stdin, command.KeepStdinOpen = o.Stdin, o.KeepStdinOpen
		command.Timeout, command.Grace, command.IdleTimeout, command.CPUTime = o.Timeout, o.Grace, o.IdleTimeout, o.CPUTime
		command.Window, command.MaxOutput, command.KillAtMaxOutput = o.Window, o.MaxOutput, o.KillAtMaxOutput
		command.Resumable, command.WaitUnwatched = o.Resumable, o.WaitUnwatched
	}
	return command, nil
}

// Complete says what could stand at a place in code, len(code) for its end. Nothing of the code is run.
func (c *Context) Complete(ctx context.Context, code string, cursor int) (*pb.CompleteResponse, error) {
	var response pb.CompleteResponse
	request := &pb.CompleteRequest{Lease: c.lease.Token, Context: c.ID, Code: code, Cursor: place(cursor)}
	if err := c.lease.call(ctx, "Complete", request, &response); err != nil {
		return nil, err
	}
	return &response, nil
}

// Inspect says what is known about the name at a place in code, by MIME types; with detail, the source too, where there
// is one. Nil: nothing is known.
func (c *Context) Inspect(ctx context.Context, code string, cursor int, detail bool) (map[string][]byte, error) {
	var response pb.InspectResponse
	request := &pb.InspectRequest{
		Lease: c.lease.Token, Context: c.ID, Code: code, Cursor: place(cursor), Detail: detail,
	}
	if err := c.lease.call(ctx, "Inspect", request, &response); err != nil || !response.Found {
		return nil, err
	}
	return forms(response.Data), nil
}

func place(cursor int) uint64 {
	if cursor < 0 {
		return 0
	}
	return uint64(cursor)
}

// Fork copies the context with all that it holds, in milliseconds: what a piece does in one, the other does not see.
// FailedPrecondition, with the reason CONTEXT_BUSY while a piece runs in it, and CONTEXT_START_FAILED while threads do: the
// message names them. Unimplemented: only Python can be copied. When ctx is done meanwhile, a copy that comes of it all the
// same is closed.
func (c *Context) Fork(ctx context.Context) (*Context, error) {
	var response pb.ForkContextResponse
	request := &pb.ForkContextRequest{Lease: c.lease.Token, Context: c.ID}
	if err := c.lease.makeContext(ctx, "ForkContext", request, &response); err != nil {
		return nil, err
	}
	return &Context{ID: response.Context, Language: c.Language, Version: response.Version, lease: c.lease}, nil
}

// Close ends the context, with all that it started; it takes 5 s at most. NotFound: it has ended.
func (c *Context) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	request := &pb.CloseContextRequest{Lease: c.lease.Token, Context: c.ID}
	return c.lease.call(ctx, "CloseContext", request, &pb.CloseContextResponse{})
}
