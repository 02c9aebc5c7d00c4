// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"context"
	"io"

	pb "berth.dev/go/berth/v1"
)

const (
	maxInput = 256 << 10
	// Up to here the standard input goes with the request itself.
	inlineInput = 1 << 20
)

// Write sends bytes to the standard input and returns when they were taken: while the program does not read, that takes
// as long as it takes. After an error, n says how much was taken; writing the rest again is safe, also on another
// connection.
func (e *Execution) Write(ctx context.Context, p []byte) (n int, err error) {
	return e.write(ctx, p, false)
}

// WriteLast is Write, and the end of the standard input with the last byte.
func (e *Execution) WriteLast(ctx context.Context, p []byte) (n int, err error) {
	return e.write(ctx, p, true)
}

func (e *Execution) write(ctx context.Context, p []byte, end bool) (n int, err error) {
	for n < len(p) || end {
		part := p[n:]
		if len(part) > maxInput {
			part = part[:maxInput]
		}
		last := end && n+len(part) == len(p)
		if err := e.input(ctx, part, last); err != nil {
			return n, err
		}
		n += len(part)
		end = end && !last
	}
	return n, nil
}

// CloseStdin ends the standard input. That of a program that has ended already is closed: no error.
func (e *Execution) CloseStdin(ctx context.Context) error {
	if err := e.input(ctx, nil, true); CodeOf(err) != NotFound {
		return err
	}
	return nil
}

func (e *Execution) input(ctx context.Context, data []byte, end bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.inputErr != nil {
		return e.inputErr
	}
	return e.inputLocked(ctx, data, end)
}

func (e *Execution) inputLocked(ctx context.Context, data []byte, end bool) error {
	var response pb.InputResponse
	if e.asksFor {
		// The answer to nothing at the beginning says how much was taken.
		if err := e.call(ctx, "Input", &pb.InputRequest{Lease: e.out.lease, Execution: e.id}, &response); err != nil {
			return err
		}
		e.inputAt, e.asksFor = response.Offset, false
	}
	request := &pb.InputRequest{Lease: e.out.lease, Execution: e.id, Offset: e.inputAt, Data: data, End: end}
	if err := e.call(ctx, "Input", request, &response); err != nil {
		return err
	}
	e.inputAt += uint64(len(data))
	return nil
}

// Stdin is Write and CloseStdin as an io.WriteCloser; ctx is that of every write. The command must say KeepStdinOpen.
func (e *Execution) Stdin(ctx context.Context) io.WriteCloser { return stdin{ctx, e} }

type stdin struct {
	ctx context.Context
	e   *Execution
}

func (s stdin) Write(p []byte) (int, error) { return s.e.Write(s.ctx, p) }
func (s stdin) Close() error                { return s.e.CloseStdin(s.ctx) }

// feed sends the standard input that did not go with the request, until the program has ended.
func (e *Execution) feed(rest []byte, ends bool) {
	defer e.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-e.out.over:
			cancel()
		case <-ctx.Done():
		}
	}()
	for len(rest) > 0 {
		part := rest
		if len(part) > maxInput {
			part = part[:maxInput]
		}
		rest = rest[len(part):]
		if e.inputErr = e.inputLocked(ctx, part, ends && len(rest) == 0); e.inputErr != nil {
			return
		}
	}
}
