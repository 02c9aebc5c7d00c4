// SPDX-License-Identifier: Apache-2.0

// Sample: run a snippet, and show what it prints while it runs.
package main

import (
	"context"
	"log"
	"os"
	"time"

	"berth.dev/go/berth"
)

const snippet = `
import time
for i in range(3):
    print("step", i, flush=True)
    time.sleep(0.1)
`

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client, err := berth.Dial(ctx, "")
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	execution, err := client.Execute(ctx, berth.Source("python", snippet))
	if err != nil {
		log.Fatal(err)
	}
	end, err := execution.Copy(os.Stdout, os.Stderr)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("the program %v after %v", end, end.Usage.Wall.Round(time.Millisecond))
}
