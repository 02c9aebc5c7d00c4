// SPDX-License-Identifier: Apache-2.0

package berth_test

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth.dev/go/berth"
)

// program is the path that an environment variable gives; without it the test fails and says what is missing.
func program(t *testing.T, variable string) string {
	t.Helper()
	path := os.Getenv(variable)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is %q: set it to the path of that program (the Makefile does)", variable, path)
	}
	return path
}

type server struct {
	*exec.Cmd
	address string
}

// launch starts a server that says on its first line where it listens, and ends it with the test.
func launch(t *testing.T, name string, arguments ...string) *server {
	t.Helper()
	s := &server{Cmd: exec.Command(name, arguments...)}
	stdout, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	s.Stderr = log
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.Process.Signal(syscall.SIGTERM)
		_ = s.Wait()
		log.Close()
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("the server's log:\n%s", text)
		}
	})
	first := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		first <- line
	}()
	select {
	case line := <-first:
		s.address = strings.TrimSpace(regexp.MustCompile(`.*listening on ([^ ,]+).*`).ReplaceAllString(line, "$1"))
	case <-time.After(20 * time.Second):
	}
	if s.address == "" {
		t.Fatalf("%s does not listen", name)
	}
	return s
}

func launchBerth(t *testing.T) *server {
	t.Helper()
	state, err := os.MkdirTemp("", "berth-go-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// After a SIGKILL, the server's janitor clears its containers away first.
		for until := time.Now().Add(10 * time.Second); os.RemoveAll(state) != nil; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(until) {
				t.Errorf("%s cannot be removed", state)
				return
			}
		}
	})
	return launch(t, program(t, "BERTH"), "serve", "--runtime", "runc", "--image", "host", "--listen", "127.0.0.1:0",
		"--instance", "gotest-"+strconv.Itoa(os.Getpid()), "--state-dir", state, "--drain-time", "1s")
}

func dial(t *testing.T, address string) (*berth.Client, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	client, err := berth.Dial(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client, ctx
}

func TestAPlainTTRPCServerIsSpokenTo(t *testing.T) {
	client, ctx := dial(t, launch(t, program(t, "PLAIN_TTRPC")).address)
	hello, err := client.Hello(ctx)
	if err != nil || hello.Server != "plain-ttrpc" {
		t.Fatalf("%v, %v", hello, err)
	}
	if _, err := client.Acquire(ctx, berth.AcquireOptions{Pool: "nowhere"}); berth.CodeOf(err) != berth.NotFound {
		t.Errorf("got %v", err)
	}
	lease, err := client.Acquire(ctx, berth.AcquireOptions{})
	if err != nil || lease.Token != "lease-1" || !lease.Warm || lease.TTL != 5*time.Minute {
		t.Fatalf("%v, %v", lease, err)
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if _, err := lease.Renew(short, 0); berth.CodeOf(err) != berth.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
	if err := lease.Release(ctx); err != nil {
		t.Error(err)
	}
	if _, err := lease.Executions(ctx); berth.CodeOf(err) != berth.Unimplemented {
		t.Errorf("got %v", err)
	}
}

func TestTheExamplesRun(t *testing.T) {
	address := launchBerth(t).address
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```go\n(package main.*?)```").FindAllSubmatch(readme, -1)
	if len(examples) != 3 {
		t.Fatalf("the README has %d examples", len(examples))
	}
	// Within the module, so that they are built with the client of this tree.
	var folders [3]string
	for i, example := range examples {
		folder, err := os.MkdirTemp("..", "readme-")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(folder)
		if err := os.WriteFile(filepath.Join(folder, "main.go"), example[1], 0o644); err != nil {
			t.Fatal(err)
		}
		folders[i] = filepath.Base(folder)
	}
	for _, test := range []struct{ folder, want string }{
		{folders[0], "hello\n"},
		{folders[1], " <nil>\nso:\n42 <nil>\n ZeroDivisionError: division by zero\n<b>x</b>\n"},
		{folders[2], "HELLO\n"},
		{"samples/stream", "step 0\nstep 1\nstep 2\n"},
		{"samples/session", "you said: hello\nyou said: how are you\nbye\n"},
		{"samples/ten", "program 0\nprogram 1\nprogram 2\nprogram 3\nprogram 4\nprogram 5\nprogram 6\nprogram 7\nprogram 8\n" +
			"program 9\n"},
	} {
		command := exec.Command("go", "run", "-modfile="+modfile(), "./"+test.folder)
		command.Dir = ".."
		command.Env = append(os.Environ(), "BERTH_SERVER="+address)
		var errors strings.Builder
		command.Stderr = &errors
		output, err := command.Output()
		if err != nil || string(output) != test.want {
			t.Errorf("%s: %v\ngot  %q\nwant %q\n%s", test.folder, err, output, test.want, errors.String())
		}
	}
}

func modfile() string {
	if name := os.Getenv("MODFILE"); name != "" {
		return name
	}
	return "go.mod"
}

func TestKillingTheServerEndsEveryCallWithinASecond(t *testing.T) {
	before := runtime.NumGoroutine()
	s := launchBerth(t)
	client, ctx := dial(t, s.address)
	lease, err := client.Acquire(ctx, berth.AcquireOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var executions []*berth.Execution
	for i := 0; i < 3; i++ {
		e, err := lease.Execute(ctx, berth.Argv("sh", "-c", "echo ready; exec sleep 60"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(e.Stdout(), make([]byte, 6)); err != nil {
			t.Fatal(err)
		}
		executions = append(executions, e)
	}
	if err := s.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	for _, e := range executions {
		if _, err := e.Wait(); berth.CodeOf(err) != berth.Unavailable {
			t.Errorf("got %v", err)
		}
	}
	if took := time.Since(killed); took > time.Second {
		t.Errorf("it took %v", took)
	}
	client.Close()
	for until := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before+2; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

func TestAStalledReaderHoldsUpNobodyElse(t *testing.T) {
	client, ctx := dial(t, launchBerth(t).address)
	lease, err := client.Acquire(ctx, berth.AcquireOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Close()
	const size = 50_000_000
	stalled, err := lease.Execute(ctx, berth.Argv("head", "-c", strconv.Itoa(size), "/dev/zero"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 20; i++ {
		short, cancel := context.WithTimeout(ctx, 5*time.Second)
		result, err := lease.Run(short, berth.Argv("echo", "unhindered"))
		cancel()
		if err != nil || string(result.Stdout) != "unhindered\n" {
			t.Fatalf("%v, %v", result, err)
		}
	}
	if n, err := io.Copy(io.Discard, stalled.Stdout()); n != size || err != nil {
		t.Errorf("read %d bytes, %v", n, err)
	}
}
