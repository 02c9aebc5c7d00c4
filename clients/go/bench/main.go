// SPDX-License-Identifier: Apache-2.0

// Command bench measures what running a program costs: N runs of true, one after another, in a lease.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sort"
	"time"

	"berth.dev/go/berth"
)

func main() {
	count := flag.Int("n", 200, "how many runs")
	what := flag.String("what", "run", "run: true in a lease; hello: an empty call")
	flag.Parse()
	if err := run(*count, *what); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(count int, what string) error {
	ctx := context.Background()
	client, err := berth.Dial(ctx, "")
	if err != nil {
		return err
	}
	defer client.Close()
	lease, err := client.Acquire(ctx, berth.AcquireOptions{})
	if err != nil {
		return err
	}
	defer lease.Close()
	once := func() error {
		result, err := lease.Run(ctx, berth.Argv("true"))
		if err == nil {
			err = result.Err()
		}
		return err
	}
	if what == "hello" {
		once = func() error {
			_, err := client.Hello(ctx)
			return err
		}
	}
	const warmUp = 20
	times := make([]time.Duration, 0, count)
	for i := 0; i < count+warmUp; i++ {
		began := time.Now()
		if err := once(); err != nil {
			return err
		}
		if i >= warmUp {
			times = append(times, time.Since(began))
		}
	}
	sort.Slice(times, func(i, j int) bool { return times[i] < times[j] })
	micro := func(d time.Duration) int64 { return d.Microseconds() }
	fmt.Printf("%s n=%d p50=%dus p99=%dus\n", what, count, micro(times[count/2]), micro(times[count*99/100]))
	return nil
}
