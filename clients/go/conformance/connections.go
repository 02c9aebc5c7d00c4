// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"syscall"

	"berth.dev/go/berth"
)

// connected is a connection, and what came of it and was not yet shown.
type connected struct {
	*berth.Conn
	kept []byte
	end  string
}

func (s *scenario) dial(ctx context.Context, a arguments) error {
	conn, err := s.lease(a).Connect(ctx, berth.ConnectOptions{
		Path: a.text("path"), Port: a.number("port"), Wait: a.time("wait_ms"), Timeout: a.time("timeout_ms"),
		IdleTimeout: a.time("idle_timeout_ms"), Window: a.number("window"),
	})
	if err == nil {
		s.conns[a.text("as")] = &connected{Conn: conn}
	}
	return said(err, "dialled", a.text("as"))
}

func (s *scenario) conn(a arguments) *connected {
	known := s.conns[a.text("conn")]
	if known == nil {
		panic(missing("no connection " + a.text("conn")))
	}
	return known
}

// write says how it failed: "", " broken" or " aborted".
func (c *connected) write(data []byte, end bool) string {
	_, err := c.Write(data)
	if err == nil && end {
		err = c.CloseWrite()
	}
	switch {
	case err == nil:
		return ""
	case errors.Is(err, syscall.EPIPE):
		return " broken"
	}
	return " aborted"
}

func (s *scenario) send(_ context.Context, a arguments) error {
	fmt.Println("send " + a.text("conn") + s.conn(a).write(a.bytes("data", "repeat"), a.has("end")))
	return nil
}

func (s *scenario) receive(_ context.Context, a arguments) error {
	c, count, buffer := s.conn(a), math.MaxInt, make([]byte, 64<<10)
	if a.has("bytes") {
		count = a.number("bytes")
	}
	for len(c.kept) < count && c.end == "" {
		n, err := c.Read(buffer)
		c.kept = append(c.kept, buffer[:n]...)
		switch {
		case err == io.EOF:
			c.end = "end"
		case errors.Is(err, syscall.ECONNRESET):
			c.end = "reset"
		case err != nil:
			c.end = "aborted"
		}
	}
	if count > len(c.kept) {
		count = len(c.kept)
	}
	if count > 0 {
		fmt.Println(a.text("conn"), "received", show(c.kept[:count]))
	}
	c.kept = c.kept[count:]
	if c.end != "" && len(c.kept) == 0 {
		fmt.Println(a.text("conn"), c.end)
	}
	return nil
}

func (s *scenario) exchange(ctx context.Context, a arguments) error {
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		s.conn(a).write(a.bytes("data", "repeat"), true)
	}()
	err := s.receive(ctx, a)
	<-sent
	return err
}

func (s *scenario) hangUp(_ context.Context, a arguments) error {
	return said(s.conn(a).Close(), "hung-up", a.text("conn"))
}
