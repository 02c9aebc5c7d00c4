// SPDX-License-Identifier: Apache-2.0

// Command ttrpc-bench is the Go half of a comparison: containerd's ttrpc server, answering berth.v1.Pool/Stats with a
// message as large as a Berth server's. So one client can measure both:
//
//	ttrpc-bench -listen 127.0.0.1:7501 -like 127.0.0.1:7411
//	berth load --scenario stats -c 64 --server 127.0.0.1:7411
//	berth load --scenario stats -c 64 --server 127.0.0.1:7501
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	berthv1 "berth.dev/go/berth/v1"
	"github.com/containerd/ttrpc"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:7501", "where to listen, HOST:PORT; port 0 takes a free one")
	like := flag.String("like", "", "a Berth server, HOST:PORT, whose present answer is answered; else a sample")
	flag.Parse()
	if err := run(*listen, *like); err != nil {
		fmt.Fprintln(os.Stderr, "ttrpc-bench:", err)
		os.Exit(1)
	}
}

func run(listen, like string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	stats := sample()
	if like != "" {
		var err error
		if stats, err = ask(ctx, like); err != nil {
			return fmt.Errorf("%s: %w", like, err)
		}
	}

	server, err := ttrpc.NewServer()
	if err != nil {
		return err
	}
	server.Register("berth.v1.Pool", map[string]ttrpc.Method{
		"Hello": func(_ context.Context, unmarshal func(interface{}) error) (interface{}, error) {
			var request berthv1.HelloRequest
			return &berthv1.HelloResponse{Server: stats.Server, Pools: []string{stats.Pools[0].Name}}, unmarshal(&request)
		},
		"Stats": func(_ context.Context, unmarshal func(interface{}) error) (interface{}, error) {
			var request berthv1.StatsRequest
			return stats, unmarshal(&request)
		},
	})

	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Printf("ttrpc-bench: listening on %s, Stats is %d bytes\n", listener.Addr(), stats.Size())
	go func() {
		<-ctx.Done()
		server.Close()
	}()
	// The context of Serve is that of every call: it must not end before the server does.
	if err := server.Serve(context.Background(), listener); !errors.Is(err, ttrpc.ErrServerClosed) {
		return err
	}
	return nil
}

// ask gets the answer of a server that runs.
func ask(ctx context.Context, address string) (*berthv1.StatsResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	client := ttrpc.NewClient(conn)
	defer client.Close()
	var stats berthv1.StatsResponse
	if err := client.Call(ctx, "berth.v1.Pool", "Stats", &berthv1.StatsRequest{}, &stats); err != nil {
		return nil, err
	}
	if len(stats.Pools) == 0 {
		return nil, errors.New("it has no pool")
	}
	return &stats, nil
}

// sample is what a server with one pool on runc answers after some hundred leases.
func sample() *berthv1.StatsResponse {
	return &berthv1.StatsResponse{
		Server: "berth/0.1.0", UptimeMs: 3_600_000, Runtime: "runc", Connections: 2,
		MemoryBudgetBytes: 18 << 30, MemoryUsedBytes: 256 << 20,
		Pools: []*berthv1.PoolStats{{
			Name: "default", Image: "host", Target: 2, Max: 16, Idle: 2,
			Creates: 612, Leases: 610, Destroyed: 610, Retired: map[string]uint64{"released": 610},
			AcquireP50Us: 310, AcquireP90Us: 620, AcquireP99Us: 1240, CreateUs: 41_000,
		}},
	}
}
