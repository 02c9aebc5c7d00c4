// SPDX-License-Identifier: Apache-2.0

// Command plain-server is a plain ttrpc server, containerd's as it is packaged, with a few unary calls of berth.v1.Pool
// and answers made up here: whoever speaks to it speaks ttrpc, and not only what Berth's own server takes.
//
//	Hello    server "plain-ttrpc", pool "default"
//	Acquire  lease "lease-1"; NOT_FOUND for a pool that is not "" or "default"
//	Release  nothing; NOT_FOUND for another lease
//	Stats    one pool
//	Renew    never: the answer comes when the call's deadline has passed, or after 10 s
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
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "where to listen, HOST:PORT; port 0 takes a free one")
	flag.Parse()
	if err := run(*listen); err != nil {
		fmt.Fprintln(os.Stderr, "plain-server:", err)
		os.Exit(1)
	}
}

func run(address string) error {
	server, err := ttrpc.NewServer()
	if err != nil {
		return err
	}
	server.Register("berth.v1.Pool", map[string]ttrpc.Method{
		"Hello": func(_ context.Context, unmarshal func(interface{}) error) (interface{}, error) {
			var request berthv1.HelloRequest
			return &berthv1.HelloResponse{Server: "plain-ttrpc", Pools: []string{"default"}}, unmarshal(&request)
		},
		"Acquire": func(_ context.Context, unmarshal func(interface{}) error) (interface{}, error) {
			var request berthv1.AcquireRequest
			if err := unmarshal(&request); err != nil {
				return nil, err
			}
			if request.Pool != "" && request.Pool != "default" {
				return nil, status.Errorf(codes.NotFound, "there is no pool %q", request.Pool)
			}
			return &berthv1.AcquireResponse{Lease: "lease-1", Member: "member-1", TtlMs: 300_000, Warm: true}, nil
		},
		"Release": func(_ context.Context, unmarshal func(interface{}) error) (interface{}, error) {
			var request berthv1.ReleaseRequest
			if err := unmarshal(&request); err != nil {
				return nil, err
			}
			if request.Lease != "lease-1" {
				return nil, status.Error(codes.NotFound, "there is no such lease")
			}
			return &berthv1.ReleaseResponse{}, nil
		},
		"Stats": func(_ context.Context, unmarshal func(interface{}) error) (interface{}, error) {
			var request berthv1.StatsRequest
			return &berthv1.StatsResponse{
				Server: "plain-ttrpc", Runtime: "none", Connections: 1, Pools: []*berthv1.PoolStats{{Name: "default", Max: 1}},
			}, unmarshal(&request)
		},
		"Renew": func(ctx context.Context, unmarshal func(interface{}) error) (interface{}, error) {
			var request berthv1.RenewRequest
			if err := unmarshal(&request); err != nil {
				return nil, err
			}
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(10 * time.Second):
				return &berthv1.RenewResponse{}, nil
			}
		},
	})
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Printf("plain-server: listening on %s\n", listener.Addr())
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	go func() {
		<-ctx.Done()
		server.Close()
	}()
	if err := server.Serve(context.Background(), listener); !errors.Is(err, ttrpc.ErrServerClosed) {
		return err
	}
	return nil
}
