// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"context"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	pb "berth.dev/go/berth/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// fake is a server at the level of frames: every request goes to answer, in its own goroutine.
type fake struct {
	t        *testing.T
	listener net.Listener
	answer   func(r *fakeRequest)

	mu    sync.Mutex
	conns []net.Conn
	seen  []string // the methods asked for
	said  []string // and the tokens
}

type fakeRequest struct {
	server  *fake
	conn    *fakeConn
	stream  uint32
	method  string
	payload []byte
	token   string // what the metadata says
}

type fakeConn struct {
	mu sync.Mutex
	net.Conn
}

func startFake(t *testing.T, answer func(r *fakeRequest)) *fake {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveFake(t, listener, answer)
}

func serveFake(t *testing.T, listener net.Listener, answer func(r *fakeRequest)) *fake {
	f := &fake{t: t, listener: listener, answer: answer}
	go func() {
		for {
			nc, err := listener.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns = append(f.conns, nc)
			f.mu.Unlock()
			go f.serve(&fakeConn{Conn: nc})
		}
	}()
	t.Cleanup(f.stop)
	return f
}

// stop is the end of the server: connections are reset, and nobody listens.
func (f *fake) stop() {
	f.listener.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, nc := range f.conns {
		nc.Close()
	}
	f.conns = nil
}

func (f *fake) serve(c *fakeConn) {
	frames := newFrameReader(c)
	for {
		h, data, err := frames.next()
		if err != nil {
			return
		}
		r := &fakeRequest{server: f, conn: c, stream: h.stream}
		_ = eachField(data, func(number protowire.Number, _ uint64, value []byte) error {
			switch number {
			case 2:
				r.method = string(value)
			case 3:
				r.payload = append([]byte(nil), value...)
			case 5:
				if text := strings.TrimPrefix(string(value), "\n\rauthorization\x12"); len(text) < len(value) {
					r.token = text[1:]
				}
			}
			return nil
		})
		f.mu.Lock()
		f.seen = append(f.seen, r.method)
		f.said = append(f.said, r.token)
		f.mu.Unlock()
		go f.answer(r)
	}
}

func (f *fake) count(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, seen := range f.seen {
		if seen == method {
			n++
		}
	}
	return n
}

func (f *fake) client(options Options) *Client {
	f.t.Helper()
	client, err := New(f.listener.Addr().String(), options)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { client.Close() })
	return client
}

func (r *fakeRequest) send(kind, flags byte, data []byte) {
	frame := make([]byte, headerLength, headerLength+len(data))
	header{uint32(len(data)), r.stream, kind, flags}.put(frame)
	r.conn.mu.Lock()
	defer r.conn.mu.Unlock()
	_, _ = r.conn.Write(append(frame, data...))
}

func (r *fakeRequest) request(into proto.Message) {
	if err := proto.Unmarshal(r.payload, into); err != nil {
		r.server.t.Error(err)
	}
}

func (r *fakeRequest) reply(message proto.Message) {
	payload, _ := proto.Marshal(message)
	var data []byte
	if len(payload) > 0 {
		data = protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), payload)
	}
	r.send(kindResponse, 0, data)
}

func (r *fakeRequest) fail(code Code, message string) {
	status := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(code))
	status = protowire.AppendString(protowire.AppendTag(status, 2, protowire.BytesType), message)
	r.send(kindResponse, 0, protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), status))
}

// failWith is fail with a google.rpc.ErrorInfo.
func (r *fakeRequest) failWith(code Code, message, domain, reason string, metadata map[string]string) {
	text := func(b []byte, number protowire.Number, s string) []byte {
		return protowire.AppendString(protowire.AppendTag(b, number, protowire.BytesType), s)
	}
	info := text(text(nil, 1, reason), 2, domain)
	for key, value := range metadata {
		info = text(info, 3, string(text(text(nil, 1, key), 2, value)))
	}
	detail := text(text(nil, 1, "type.googleapis.com/google.rpc.ErrorInfo"), 2, string(info))
	status := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(code))
	status = text(text(text(status, 2, message), 3, string(text(nil, 1, "x/other"))), 3, string(detail))
	r.send(kindResponse, 0, text(nil, 1, string(status)))
}

func (r *fakeRequest) event(message proto.Message) {
	data, _ := proto.Marshal(message)
	r.send(kindData, 0, data)
}

func (r *fakeRequest) started() {
	r.event(&pb.ExecuteEvent{Event: &pb.ExecuteEvent_Started{Started: &pb.Started{Execution: "e1", Watcher: 7}}})
}

func (r *fakeRequest) output(stream pb.OutputStream, offset uint64, data []byte) {
	r.event(&pb.ExecuteEvent{Event: &pb.ExecuteEvent_Output{
		Output: &pb.Output{Stream: stream, Offset: offset, Data: data},
	}})
}

func (r *fakeRequest) ended(ended *pb.Ended) {
	r.event(&pb.ExecuteEvent{Event: &pb.ExecuteEvent_Ended{Ended: ended}})
	r.send(kindData, flagRemoteClosed|flagNoData, nil)
}

// within fails the test when step takes longer than limit.
func within(t *testing.T, limit time.Duration, what string, step func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		step()
	}()
	select {
	case <-done:
	case <-time.After(limit):
		stacks := make([]byte, 64<<10)
		t.Fatalf("%s took longer than %v\n%s", what, limit, stacks[:runtime.Stack(stacks, true)])
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for until := time.Now().Add(5 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("it never came: %s", what)
		}
	}
}

func contextFor(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func wantCode(t *testing.T, err error, code Code) {
	t.Helper()
	if CodeOf(err) != code || err == nil {
		t.Fatalf("got %v, want %s", err, code)
	}
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	all, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

func zeros(n int) []byte { return []byte(strings.Repeat("0", n)) }
