// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	pb "berth.dev/go/berth/v1"
)

// reaching answers Connect with connections to ports of this machine, as the server does with those of a container.
type reaching struct {
	mu    sync.Mutex
	given sync.Cond
	made  map[string]*reached
}

type reached struct {
	nc                      net.Conn
	window, sent, acked     uint64
	taken                   uint64
	inputEnded, outputEnded bool
	isOver                  bool
	taking                  sync.Mutex
	request                 *fakeRequest
}

func startReaching(t *testing.T) (*reaching, *Lease) {
	t.Helper()
	s := &reaching{made: map[string]*reached{}}
	s.given.L = &s.mu
	return s, startFake(t, s.answer).client(Options{}).Lease("l1")
}

func (s *reaching) answer(r *fakeRequest) {
	switch r.method {
	case "Connect":
		s.connect(r)
	case "Acknowledge":
		var request pb.AcknowledgeRequest
		r.request(&request)
		s.mu.Lock()
		if c := s.made[request.Execution]; request.StdoutOffset > c.acked {
			c.acked = request.StdoutOffset
		}
		s.given.Broadcast()
		s.mu.Unlock()
		r.reply(&pb.AcknowledgeResponse{})
	case "Input":
		s.input(r)
	case "Detach":
		var request pb.DetachRequest
		r.request(&request)
		s.mu.Lock()
		s.made[request.Execution].nc.Close()
		s.mu.Unlock()
		r.reply(&pb.DetachResponse{})
	default:
		hello(r)
	}
}

func (s *reaching) connect(r *fakeRequest) {
	var request pb.ConnectRequest
	r.request(&request)
	nc, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", request.Port))
	if err != nil {
		r.failWith(FailedPrecondition, "nobody listens there", "berth.dev", "CONNECTION_REFUSED", nil)
		return
	}
	defer nc.Close()
	c := &reached{nc: nc, window: request.WindowBytes, request: r}
	id := fmt.Sprint("e", r.stream)
	s.mu.Lock()
	s.made[id] = c
	s.mu.Unlock()
	r.event(&pb.ExecuteEvent{Event: &pb.ExecuteEvent_Started{Started: &pb.Started{Execution: id, Watcher: 7}}})
	buffer := make([]byte, 32<<10)
	for {
		n, err := nc.Read(buffer)
		s.mu.Lock()
		for c.sent+uint64(n)-c.acked > c.window {
			s.given.Wait()
		}
		if n > 0 {
			r.output(pb.OutputStream_STDOUT, c.sent, buffer[:n])
			c.sent += uint64(n)
		}
		if err == io.EOF {
			c.outputEnded = true
			r.event(&pb.ExecuteEvent{Event: &pb.ExecuteEvent_OutputEnded{OutputEnded: &pb.OutputEnded{Offset: c.sent}}})
			c.endIfOver()
		} else if err != nil && !c.isOver {
			c.isOver = true
			r.ended(&pb.Ended{Cause: pb.EndCause_CONNECTION_RESET, Message: "the other side broke it off"})
		}
		for err == io.EOF && !c.isOver {
			s.given.Wait()
		}
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (c *reached) endIfOver() {
	if c.inputEnded && c.outputEnded && !c.isOver {
		c.isOver = true
		c.request.ended(exitedWell())
	}
}

func (s *reaching) input(r *fakeRequest) {
	var request pb.InputRequest
	r.request(&request)
	s.mu.Lock()
	c := s.made[request.Execution]
	s.mu.Unlock()
	c.taking.Lock()
	defer c.taking.Unlock()
	// What was taken before is passed over.
	if past := c.taken - request.Offset; past <= uint64(len(request.Data)) {
		n, err := c.nc.Write(request.Data[past:])
		c.taken += uint64(n)
		if err != nil {
			r.fail(FailedPrecondition, "the other side takes no more")
			return
		}
	}
	if request.End {
		_ = c.nc.(*net.TCPConn).CloseWrite()
		s.mu.Lock()
		c.inputEnded = true
		c.endIfOver()
		s.given.Broadcast()
		s.mu.Unlock()
	}
	r.reply(&pb.InputResponse{Offset: c.taken})
}

// listening calls serve with each connection that comes to a port, and returns that.
func listening(t *testing.T, serve func(nc *net.TCPConn)) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			nc, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				serve(nc.(*net.TCPConn))
			}()
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

func echoing(nc *net.TCPConn) { _, _ = io.Copy(nc, nc) }

func connectTo(t *testing.T, lease *Lease, port int) *Conn {
	t.Helper()
	c, err := lease.Connect(contextFor(t), ConnectOptions{Port: port})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestHTTPGoesOverConnectionsIntoAContainer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %d", r.Method, r.URL.Path, len(body))
	}))
	defer server.Close()
	_, lease := startReaching(t)
	client := http.Client{Transport: &http.Transport{DialContext: lease.DialContext}}
	defer client.CloseIdleConnections()
	for i := 0; i < 3; i++ {
		response, err := client.Get(server.URL + "/a")
		if err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, response.Body); got != "GET /a 0" {
			t.Errorf("got %q", got)
		}
		response.Body.Close()
		response, err = client.Post(server.URL+"/b", "text/plain", bytes.NewReader(zeros(5_000_000)))
		if err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, response.Body); got != "POST /b 5000000" {
			t.Errorf("got %q", got)
		}
		response.Body.Close()
	}
}

func TestEachDirectionOfAConnectionEndsByItself(t *testing.T) {
	_, lease := startReaching(t)
	c := connectTo(t, lease, listening(t, func(nc *net.TCPConn) {
		_, _ = nc.Write([]byte("first"))
		_ = nc.CloseWrite()
		all, _ := io.ReadAll(nc)
		if string(all) != "second" {
			t.Errorf("got %q", all)
		}
	}))
	if got := readAll(t, c); got != "first" {
		t.Errorf("got %q", got)
	}
	if _, err := c.Write([]byte("second")); err != nil {
		t.Error(err)
	}
	for i := 0; i < 2; i++ {
		if err := c.CloseWrite(); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.Write([]byte("third")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("got %v", err)
	}
	other := connectTo(t, lease, listening(t, echoing))
	if _, err := other.Write([]byte("echo")); err != nil {
		t.Error(err)
	}
	if err := other.CloseWrite(); err != nil {
		t.Error(err)
	}
	if got := readAll(t, other); got != "echo" {
		t.Errorf("got %q", got)
	}
}

func TestMuchGoesBothWaysAtOnceOnManyConnections(t *testing.T) {
	_, lease := startReaching(t)
	port := listening(t, echoing)
	var all sync.WaitGroup
	for i := 0; i < 20; i++ {
		data := make([]byte, 1<<20)
		rand.New(rand.NewSource(int64(i))).Read(data)
		c := connectTo(t, lease, port)
		all.Add(2)
		go func() {
			defer all.Done()
			if _, err := io.Copy(c, bytes.NewReader(data)); err != nil {
				t.Error(err)
			}
			if err := c.CloseWrite(); err != nil {
				t.Error(err)
			}
		}()
		go func() {
			defer all.Done()
			if got, err := io.ReadAll(c); !bytes.Equal(got, data) {
				t.Errorf("%d bytes came back, %v", len(got), err)
			}
		}()
	}
	within(t, 20*time.Second, "it", all.Wait)
}

func TestAConnectionThatIsNotMadeSaysWhyAndOneThatIsBrokenOffSaysThat(t *testing.T) {
	_, lease := startReaching(t)
	_, err := lease.DialContext(contextFor(t), "tcp", "localhost:1")
	if ReasonOf(err) != pb.ErrorReason_CONNECTION_REFUSED {
		t.Errorf("got %v", err)
	}
	for _, address := range [][2]string{{"tcp", "example.org:80"}, {"tcp", "127.0.0.1"}, {"udp", "127.0.0.1:80"}, {"tcp", ":x"}} {
		_, err := lease.DialContext(contextFor(t), address[0], address[1])
		wantCode(t, err, InvalidArgument)
	}
	c := connectTo(t, lease, listening(t, func(nc *net.TCPConn) {
		_, _ = io.ReadFull(nc, make([]byte, 1))
		_ = nc.SetLinger(0)
	}))
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v", err)
	}
}

func TestADeadlinePassesAndTheConnectionGoesOnWithoutALoss(t *testing.T) {
	_, lease := startReaching(t)
	begin := make(chan struct{})
	c := connectTo(t, lease, listening(t, func(nc *net.TCPConn) {
		<-begin
		echoing(nc)
	}))
	_ = c.SetDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	data := []byte(strings.Repeat("0123456789abcdef", 1<<20))
	sent := 0
	for sent < len(data) {
		// Nobody reads there yet.
		n, err := c.Write(data[sent:])
		sent += n
		if err == nil {
			break
		}
		if netErr := net.Error(nil); !errors.As(err, &netErr) || !netErr.Timeout() {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Time{})
		select {
		case <-begin:
		default:
			close(begin)
		}
		go func() {
			got, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes came back, %v", len(got), err)
			}
			c.Close()
		}()
	}
	if err := c.CloseWrite(); err != nil {
		t.Error(err)
	}
	within(t, 10*time.Second, "the other direction", func() { <-c.closed })
}

func TestClosingAConnectionWakesWhoReadsAndWhoWrites(t *testing.T) {
	_, lease := startReaching(t)
	hold := make(chan struct{})
	defer close(hold)
	c := connectTo(t, lease, listening(t, func(nc *net.TCPConn) { <-hold }))
	failures := make(chan error, 2)
	go func() {
		_, err := c.Read(make([]byte, 1))
		failures <- err
	}()
	go func() {
		_, err := c.Write(zeros(64 << 20))
		failures <- err
	}()
	time.AfterFunc(50*time.Millisecond, func() { c.Close() })
	within(t, 30*time.Second, "it", func() {
		for i := 0; i < 2; i++ {
			if err := <-failures; !errors.Is(err, net.ErrClosed) {
				t.Errorf("got %v", err)
			}
		}
	})
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestAContextThatIsDoneEndsTheConnectingAndNoConnection(t *testing.T) {
	server := startFake(t, func(r *fakeRequest) {})
	ctx, cancel := context.WithCancel(contextFor(t))
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err := server.client(Options{}).Lease("l1").Connect(ctx, ConnectOptions{Path: "/tmp/x", Wait: time.Minute})
	wantCode(t, err, Cancelled)
	_, lease := startReaching(t)
	ctx, cancel = context.WithCancel(contextFor(t))
	c, err := lease.Connect(ctx, ConnectOptions{Port: listening(t, echoing)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cancel()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Error(err)
	}
}
