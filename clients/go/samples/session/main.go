// SPDX-License-Identifier: Apache-2.0

// Sample: an interactive session. What is written to the program's standard input is answered on its standard output.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
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

	execution, err := client.Execute(ctx, &berth.Command{
		Shell: `while read -r line; do echo "you said: $line"; done; echo bye`, KeepStdinOpen: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	stdin, stdout := execution.Stdin(ctx), bufio.NewScanner(execution.Stdout())
	for _, line := range []string{"hello", "how are you"} {
		fmt.Fprintln(stdin, line)
		stdout.Scan()
		fmt.Println(stdout.Text())
	}
	if err := stdin.Close(); err != nil {
		log.Fatal(err)
	}
	for stdout.Scan() {
		fmt.Println(stdout.Text())
	}
	if end, err := execution.Wait(); err != nil || !end.Success() {
		log.Fatal(end, err)
	}
}
