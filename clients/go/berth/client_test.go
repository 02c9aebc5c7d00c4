// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	pb "berth.dev/go/berth/v1"
)

func hello(r *fakeRequest) { r.reply(&pb.HelloResponse{Server: "fake/1", Pools: []string{"default"}}) }

func TestErrorsAreTyped(t *testing.T) {
	server := startFake(t, func(r *fakeRequest) { r.fail(NotFound, "no such pool") })
	_, err := server.client(Options{}).Acquire(contextFor(t), AcquireOptions{Pool: "x"})
	var typed *Error
	if !errors.As(err, &typed) || typed.Code != NotFound || typed.Message != "no such pool" {
		t.Fatalf("got %#v", err)
	}
}

func TestADeadlineHoldsWithoutTheServer(t *testing.T) {
	server := startFake(t, func(r *fakeRequest) {})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	within(t, time.Second, "the call", func() {
		_, err := server.client(Options{}).Hello(ctx)
		wantCode(t, err, DeadlineExceeded)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v does not unwrap to the context's error", err)
		}
	})
}

func TestALeaseThatComesAfterItsCallerLeftIsReleased(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	released := make(chan string, 1)
	server := startFake(t, func(r *fakeRequest) {
		switch r.method {
		case "Acquire":
			close(asked)
			<-answer
			r.reply(&pb.AcquireResponse{Lease: "late"})
		case "Release":
			var request pb.ReleaseRequest
			r.request(&request)
			released <- request.Lease
			r.reply(&pb.ReleaseResponse{})
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-asked
		cancel()
	}()
	_, err := server.client(Options{}).Acquire(ctx, AcquireOptions{})
	wantCode(t, err, Cancelled)
	close(answer)
	within(t, 5*time.Second, "the release", func() {
		if lease := <-released; lease != "late" {
			t.Errorf("released %q", lease)
		}
	})
}

func TestARequestOver4MiBFailsAndTheConnectionLives(t *testing.T) {
	server := startFake(t, hello)
	client := server.client(Options{})
	_, err := client.Run(contextFor(t), Argv("true", strings.Repeat("x", 4<<20)))
	wantCode(t, err, ResourceExhausted)
	if _, err := client.Hello(contextFor(t)); err != nil {
		t.Fatal(err)
	}
}

func TestWhenTheServerGoesEveryOpenCallFailsAtOnceAndNothingLeaks(t *testing.T) {
	before, files := runtime.NumGoroutine(), openFiles(t)
	server := startFake(t, func(r *fakeRequest) {
		if r.method == "Execute" {
			r.started()
			r.output(pb.OutputStream_STDOUT, 0, []byte("x"))
		}
	})
	client := server.client(Options{})
	var executions []*Execution
	for i := 0; i < 10; i++ {
		e, err := client.Execute(contextFor(t), Argv("sleep"))
		if err != nil {
			t.Fatal(err)
		}
		executions = append(executions, e)
	}
	var calls sync.WaitGroup
	codes := make(chan error, 40)
	call := func(do func() error) {
		calls.Add(1)
		go func() {
			defer calls.Done()
			codes <- do()
		}()
	}
	for i := 0; i < 10; i++ {
		e := executions[i]
		call(func() error { _, err := client.Hello(contextFor(t)); return err })
		call(func() error { _, err := e.Wait(); return err })
		call(func() error { _, err := e.Write(contextFor(t), []byte("x")); return err })
	}
	eventually(t, "all calls are open", func() bool { return server.count("Hello") == 10 && server.count("Input") == 10 })
	server.stop()
	within(t, time.Second, "the end of all calls", calls.Wait)
	close(codes)
	for err := range codes {
		wantCode(t, err, Unavailable)
	}
	client.Close()
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
	eventually(t, "no descriptor is left", func() bool { return openFiles(t) <= files })
}

func openFiles(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	sockets := 0
	for _, entry := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil && strings.HasPrefix(target, "socket:") {
			sockets++
		}
	}
	return sockets
}

func TestTheNextCallConnectsAgainAndNoExecuteIsMadeTwice(t *testing.T) {
	var mu sync.Mutex
	executed := 0
	answer := func(r *fakeRequest) {
		if r.method == "Execute" {
			mu.Lock()
			executed++
			mu.Unlock()
			r.conn.Close()
			return
		}
		hello(r)
	}
	first := startFake(t, answer)
	address := first.listener.Addr().String()
	client := first.client(Options{})
	_, err := client.Run(contextFor(t), Argv("true"))
	wantCode(t, err, Unavailable)
	first.stop()
	// Nobody listens for a while: the call tries again until somebody does.
	go func() {
		eventually(t, "the call is connecting", func() bool {
			client.mu.Lock()
			defer client.mu.Unlock()
			return client.dialing != nil
		})
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Error(err)
			return
		}
		serveFake(t, listener, answer)
	}()
	if _, err := client.Hello(contextFor(t)); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if executed != 1 {
		t.Errorf("executed %d times", executed)
	}
}

func TestConnectingGivesUpInTime(t *testing.T) {
	server := startFake(t, hello)
	client := server.client(Options{ConnectTimeout: 200 * time.Millisecond})
	server.stop()
	within(t, 2*time.Second, "giving up", func() {
		_, err := client.Hello(contextFor(t))
		wantCode(t, err, Unavailable)
	})
}

func TestAUnixSocketIsAnAddress(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	serveFake(t, listener, hello)
	t.Setenv("BERTH_SERVER", "unix:"+path)
	client, err := Dial(contextFor(t), "")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Hello(contextFor(t)); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsNoAddressIsRefused(t *testing.T) {
	for _, address := range []string{"localhost", "unix:", "::1:7411", "host:", "http://berth", "http://127.0.0.1:7411", "tcp://berth",
		"tls://", "tls://host", "tls://unix:/x", "tls://tls://host:1", "tls:host:1", "tls://host:1/"} {
		_, err := New(address, Options{})
		wantCode(t, err, InvalidArgument)
	}
}
