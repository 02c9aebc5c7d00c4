// SPDX-License-Identifier: Apache-2.0

// Package client has containerd's ttrpc client, as it is packaged, talk to a Berth server: the stub is what its own
// generator makes of Berth's .proto. It speaks unary calls only.
package client

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	berthv1 "berth.dev/go/berth/v1"
	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// serve starts the server that BERTH names, and returns its address.
func serve(t *testing.T) string {
	t.Helper()
	berth := os.Getenv("BERTH")
	if berth == "" {
		t.Fatal("BERTH is not set: the path of the berth program that is tested against")
	}
	command := exec.Command(berth, "serve", "--runtime", "runc", "--image", "host", "--listen", "127.0.0.1:0",
		"--size", "1", "--max", "2", "--instance", "foreign-"+strconv.Itoa(os.Getpid()), "--state-dir", t.TempDir())
	command.Stderr = os.Stderr
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		if err := command.Wait(); err != nil {
			t.Errorf("the server: %v", err)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the server ended without listening: %v", err)
	}
	return strings.TrimSpace(line[strings.LastIndex(line, " ")+1:])
}

func connect(t *testing.T, address string) (*ttrpc.Client, berthv1.PoolService) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	client := ttrpc.NewClient(conn)
	t.Cleanup(func() { client.Close() })
	return client, berthv1.NewPoolClient(client)
}

func TestAForeignClientUsesTheServer(t *testing.T) {
	address := serve(t)
	client, pool := connect(t, address)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	want := func(err error, code codes.Code) {
		t.Helper()
		if status.Code(err) != code {
			t.Fatalf("got %v, want %s", err, code)
		}
	}

	hello, err := pool.Hello(ctx, &berthv1.HelloRequest{Client: "containerd-ttrpc"})
	want(err, codes.OK)
	if !strings.HasPrefix(hello.Server, "berth/") || len(hello.Pools) != 1 || hello.Pools[0] != "default" {
		t.Errorf("Hello: %v", hello)
	}

	lease, err := pool.Acquire(ctx, &berthv1.AcquireRequest{WaitMs: 30_000})
	want(err, codes.OK)
	if len(lease.Lease) < 22 || lease.TtlMs == 0 {
		t.Errorf("Acquire: %v", lease)
	}
	_, err = pool.Acquire(ctx, &berthv1.AcquireRequest{Pool: "nowhere"})
	want(err, codes.NotFound)
	_, err = pool.Signal(ctx, &berthv1.SignalRequest{Lease: lease.Lease, Execution: "none", Signal: 15})
	want(err, codes.NotFound)

	stats, err := pool.Stats(ctx, &berthv1.StatsRequest{})
	want(err, codes.OK)
	if len(stats.Pools) != 1 || stats.Pools[0].Leased != 1 || stats.Pools[0].Leases != 1 {
		t.Errorf("Stats: %v", stats)
	}

	// A deadline is told, and holds there: the second lease of two is the last.
	second, err := pool.Acquire(ctx, &berthv1.AcquireRequest{WaitMs: 30_000})
	want(err, codes.OK)
	short, cancelShort := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancelShort()
	if _, err = pool.Acquire(short, &berthv1.AcquireRequest{WaitMs: 30_000}); err == nil {
		t.Error("a third lease of two")
	}

	// What this client cannot do well is refused, and the connection lives on.
	want(client.Call(ctx, "berth.v1.Pool", "Nope", &berthv1.HelloRequest{}, &berthv1.HelloResponse{}), codes.Unimplemented)
	_, err = pool.WriteFile(ctx, &berthv1.WriteFileRequest{Lease: lease.Lease, Path: "/tmp/x", Data: make([]byte, 5<<20)})
	want(err, codes.ResourceExhausted)

	for _, token := range []string{lease.Lease, second.Lease, lease.Lease} {
		_, err = pool.Release(ctx, &berthv1.ReleaseRequest{Lease: token})
		want(err, codes.OK)
	}
	_, err = pool.Release(ctx, &berthv1.ReleaseRequest{Lease: "00000000000000000000000000000000"})
	want(err, codes.NotFound)
}

func TestForeignCallsRunSideBySide(t *testing.T) {
	_, pool := connect(t, serve(t))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var all sync.WaitGroup
	for i := 0; i < 16; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for j := 0; j < 100; j++ {
				if _, err := pool.Stats(ctx, &berthv1.StatsRequest{}); err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	all.Wait()
}
