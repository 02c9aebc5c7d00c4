// SPDX-License-Identifier: Apache-2.0

// Sample: ten programs at once in one container, over one connection.
package main

import (
	"context"
	"fmt"
	"log"
	"sync"
	"time"

	"berth.dev/go/berth"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client, err := berth.Dial(ctx, "")
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	err = client.WithLease(ctx, berth.AcquireOptions{}, func(lease *berth.Lease) error {
		var outputs [10]string
		var all sync.WaitGroup
		for i := range outputs {
			all.Add(1)
			go func(i int) {
				defer all.Done()
				result, err := lease.Run(ctx, berth.Shell(fmt.Sprintf("sleep 0.1; echo program %d", i)))
				if err != nil {
					log.Fatal(err)
				}
				outputs[i] = string(result.Stdout)
			}(i)
		}
		all.Wait()
		for _, output := range outputs {
			fmt.Print(output)
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
}
