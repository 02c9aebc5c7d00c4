// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"berth.dev/go/berth"
	berthv1 "berth.dev/go/berth/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
)

var verbs map[string]func(*scenario, context.Context, arguments) error

func init() {
	verbs = map[string]func(*scenario, context.Context, arguments) error{
		"connect": (*scenario).connect, "close": (*scenario).closeClient, "hello": (*scenario).hello,
		"acquire": (*scenario).acquire, "token": (*scenario).token, "renew": (*scenario).renew,
		"release": (*scenario).release, "stats": (*scenario).stats, "await": (*scenario).await, "run": (*scenario).run,
		"start": (*scenario).start, "read": (*scenario).read, "finish": (*scenario).finish, "input": (*scenario).input,
		"signal": (*scenario).signal, "cancel": (*scenario).cancel, "resize": (*scenario).resize,
		"detach": (*scenario).detach, "attach": (*scenario).attach, "executions": (*scenario).listExecutions,
		"write-file": (*scenario).writeFile, "read-file": (*scenario).readFile, "list": (*scenario).list,
		"remove": (*scenario).remove, "read-archive": (*scenario).readArchive,
		"write-archive": (*scenario).writeArchive, "world": (*scenario).changeWorld, "text": (*scenario).text, "stat": (*scenario).stat,
		"make-directory": (*scenario).makeDirectory, "rename": (*scenario).rename, "change-mode": (*scenario).changeMode,
		"open-context": (*scenario).openContext, "close-context": (*scenario).closeContext,
		"contexts": (*scenario).listContexts, "complete": (*scenario).complete, "inspect": (*scenario).inspect,
		"events": (*scenario).events, "fork-context": (*scenario).forkContext, "dial": (*scenario).dial,
		"send": (*scenario).send, "receive": (*scenario).receive, "exchange": (*scenario).exchange,
		"hang-up": (*scenario).hangUp,
	}
}

func (s *scenario) connect(_ context.Context, a arguments) error {
	client, err := berth.New(a.text("address"), berth.Options{ConnectTimeout: a.time("connect_timeout_ms")})
	var typed *berth.Error
	if errors.As(err, &typed) {
		fmt.Println("connect", a.text("as"), "refused", show([]byte(typed.Message)))
		return nil
	}
	s.clients[a.text("as")], s.windows[a.text("as")] = client, a.number("window")
	fmt.Println("connected", a.text("as"))
	return nil
}

func (s *scenario) closeClient(_ context.Context, a arguments) error {
	s.client(a).Close()
	fmt.Println("closed", a.text("client"))
	return nil
}

func (s *scenario) hello(ctx context.Context, a arguments) error {
	response, err := s.client(a).Hello(ctx)
	if err == nil {
		fmt.Println("hello pools=" + strings.Join(response.Pools, ","))
	}
	return err
}

func (s *scenario) acquire(ctx context.Context, a arguments) error {
	lease, err := s.client(a).Acquire(ctx, berth.AcquireOptions{
		Pool: a.text("pool"), Wait: a.time("wait_ms"), Detached: a.has("detached"), TTL: a.time("ttl_ms"),
	})
	if err == nil {
		s.leases[a.text("as")] = lease
		fmt.Println("acquired", a.text("as"))
	}
	return err
}

func (s *scenario) token(_ context.Context, a arguments) error {
	s.leases[a.text("as")] = s.client(a).Lease(a.text("token"))
	return nil
}

func (s *scenario) renew(ctx context.Context, a arguments) error {
	_, err := s.lease(a).Renew(ctx, a.time("ttl_ms"))
	return said(err, "renewed", a.text("lease"))
}

func (s *scenario) release(ctx context.Context, a arguments) error {
	return said(s.lease(a).Release(ctx), "released", a.text("lease"))
}

// said prints words, if there is no error.
func said(err error, words ...interface{}) error {
	if err == nil {
		fmt.Println(words...)
	}
	return err
}

func (s *scenario) stats(ctx context.Context, a arguments) error {
	stats, err := s.client(a).Stats(ctx)
	if err != nil {
		return err
	}
	line := "stats"
	for _, field := range a["field"] {
		line += " " + field + "=" + statsField(stats, field)
	}
	fmt.Println(line)
	return nil
}

func statsField(stats *berthv1.StatsResponse, name string) string {
	switch name {
	case "connections":
		return strconv.Itoa(int(stats.Connections))
	case "executions":
		return strconv.Itoa(int(stats.Executions))
	case "breaker":
		return strings.ToLower(stats.Pools[0].Breaker.String())
	}
	pool := stats.Pools[0].ProtoReflect()
	field := pool.Descriptor().Fields().ByName(protoreflect.Name(name))
	if field == nil {
		return "unknown"
	}
	return pool.Get(field).String()
}

func (s *scenario) await(ctx context.Context, a arguments) error {
	limit := 5 * time.Second
	if a.has("timeout_ms") {
		limit = a.time("timeout_ms")
	}
	field := a.text("field")
	for until := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		stats, err := s.client(a).Stats(ctx)
		if err != nil {
			return err
		}
		if value := statsField(stats, field); value == a.text("value") || time.Now().After(until) {
			fmt.Println("await " + field + "=" + value)
			return nil
		}
	}
}

func (s *scenario) run(ctx context.Context, a arguments) error {
	if a.has("deadline_ms") {
		bounded, cancel := context.WithTimeout(ctx, a.time("deadline_ms"))
		defer cancel()
		ctx = bounded
	}
	var result *berth.Result
	var err error
	if a.has("context") {
		result, err = s.context(a).Run(ctx, a.text("code"), piece(a.command()))
	} else if a.has("lease") {
		result, err = s.lease(a).Run(ctx, a.command())
	} else {
		result, err = s.client(a).Run(ctx, a.command())
	}
	if err != nil {
		return err
	}
	if len(result.Stdout) > 0 {
		fmt.Println("stdout", show(result.Stdout))
	}
	if len(result.Stderr) > 0 {
		fmt.Println("stderr", show(result.Stderr))
	}
	sayShown(result)
	fmt.Println("ended", showEnd(result.End))
	return nil
}

// start has no time limit of its own: what it begins outlives the step.
func (s *scenario) start(_ context.Context, a arguments) error {
	ctx := context.Background()
	e := &execution{}
	var err error
	command := a.command()
	if command.Window == 0 {
		command.Window = s.windows[a.text("client")]
	}
	if a.has("context") {
		e.lease = s.leases[s.leaseOf[a.text("context")]]
		e.Execution, err = s.context(a).Execute(ctx, command.Code, piece(command))
	} else if a.has("lease") {
		e.lease = s.lease(a)
		e.Execution, err = e.lease.Execute(ctx, command)
	} else {
		e.Execution, err = s.client(a).Execute(ctx, command)
	}
	if err != nil {
		return err
	}
	s.executions[a.text("as")] = e
	fmt.Println("started", a.text("as"))
	return nil
}

func (s *scenario) attach(_ context.Context, a arguments) error {
	of := s.execution("exec", a)
	options := berth.AttachOptions{
		StdoutOffset: uint64(a.number("stdout_offset")), StderrOffset: uint64(a.number("stderr_offset")),
		FromNow: a.has("from_now"), Observe: a.has("observe"), Window: a.number("window"),
	}
	e := &execution{}
	var err error
	if of.lease != nil {
		e.lease = s.client(a).Lease(of.lease.Token)
		e.Execution, err = e.lease.Attach(context.Background(), of.ID(), options)
	} else {
		e.Execution, err = s.client(a).Attach(context.Background(), of.ID(), options)
	}
	if err != nil {
		return err
	}
	s.executions[a.text("as")] = e
	fmt.Println("attached", a.text("as"))
	return nil
}

func (s *scenario) execution(key string, a arguments) *execution {
	e := s.executions[a.text(key)]
	if e == nil {
		panic(missing("no execution " + a.text(key)))
	}
	return e
}

// advance takes one event.
func (e *execution) advance() {
	event, err := e.Next()
	switch event := event.(type) {
	case berth.Output:
		e.kept[event.Stream] = append(e.kept[event.Stream], event.Data...)
	case *berth.Dropped:
		e.dropped[event.Stream] += event.Bytes
	case berth.End:
		e.end = &event
	case nil:
		e.err = err
	}
}

func (s *scenario) read(_ context.Context, a arguments) error {
	e, stream, count := s.execution("exec", a), berth.Stdout, a.number("bytes")
	if a.text("stream") == "stderr" {
		stream = berth.Stderr
	}
	for len(e.kept[stream]) < count && e.end == nil && e.err == nil {
		e.advance()
	}
	if e.err != nil {
		return e.err
	}
	if count > len(e.kept[stream]) {
		count = len(e.kept[stream])
	}
	fmt.Println(a.text("exec"), stream, show(e.kept[stream][:count]))
	e.kept[stream] = e.kept[stream][count:]
	return nil
}

func (s *scenario) finish(_ context.Context, a arguments) error {
	e, name := s.execution("exec", a), a.text("exec")
	for e.end == nil && e.err == nil {
		e.advance()
	}
	for stream, left := range e.kept {
		if len(left) > 0 {
			fmt.Println(name, berth.Stream(stream), show(left))
		}
		e.kept[stream] = nil
	}
	for stream, bytes := range e.dropped {
		if bytes > 0 {
			fmt.Printf("%s dropped %s=%d\n", name, berth.Stream(stream), bytes)
		}
	}
	if e.err != nil {
		return e.err
	}
	fmt.Println(name, "ended", showEnd(*e.end))
	return nil
}

func (s *scenario) text(_ context.Context, a arguments) error {
	e, name := s.execution("exec", a), a.text("exec")
	var kept [2]string
	for {
		piece, err := e.NextText()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		kept[piece.Stream] += piece.Text
	}
	for stream, text := range kept {
		if text != "" {
			fmt.Println(name, berth.Stream(stream), show([]byte(text)))
		}
	}
	end, err := e.Wait()
	return said(err, name, "ended", showEnd(end))
}

func (s *scenario) stat(ctx context.Context, a arguments) error {
	info, err := s.lease(a).Stat(ctx, a.text("path"), a.has("follow"))
	if err != nil {
		return err
	}
	line := "info " + encode([]byte(info.Name)) + " " + strings.ToLower(info.Type.String())
	if info.Type == berthv1.FileType_REGULAR {
		line += fmt.Sprintf(" size=%d", info.Size)
	}
	line += fmt.Sprintf(" mode=%04o", info.Mode)
	if info.LinkTarget != "" {
		line += " target=" + encode([]byte(info.LinkTarget))
	}
	fmt.Println(line)
	return nil
}

func (s *scenario) makeDirectory(ctx context.Context, a arguments) error {
	mode, _ := strconv.ParseUint(a.text("mode"), 8, 32)
	err := s.lease(a).MakeDirectory(ctx, a.text("path"), berth.MakeDirectoryOptions{
		Mode: fs.FileMode(mode), Parents: a.has("parents"),
	})
	return said(err, "made", encode([]byte(a.text("path"))))
}

func (s *scenario) rename(ctx context.Context, a arguments) error {
	options := berth.RenameOptions{NoReplace: a.has("no_replace")}
	return said(s.lease(a).Rename(ctx, a.text("path"), a.text("to"), options), "renamed", encode([]byte(a.text("path"))))
}

func (s *scenario) changeMode(ctx context.Context, a arguments) error {
	mode, _ := strconv.ParseUint(a.text("mode"), 8, 32)
	err := s.lease(a).ChangeMode(ctx, a.text("path"), fs.FileMode(mode))
	return said(err, "changed", encode([]byte(a.text("path"))))
}

func (s *scenario) input(ctx context.Context, a arguments) error {
	e := s.execution("exec", a)
	write := e.Write
	if a.has("end") {
		write = e.WriteLast
	}
	_, err := write(ctx, a.bytes("data", "repeat"))
	return said(err, "input", a.text("exec"))
}

func (s *scenario) signal(ctx context.Context, a arguments) error {
	e := s.execution("exec", a)
	var err error
	if number := a.number("signal"); number > 0 {
		err = e.SignalNumber(ctx, number)
	} else {
		err = e.Signal(ctx, a.text("signal"))
	}
	return said(err, "signal", a.text("exec"))
}

func (s *scenario) cancel(ctx context.Context, a arguments) error {
	return said(s.execution("exec", a).Cancel(ctx), "cancel", a.text("exec"))
}

func (s *scenario) resize(ctx context.Context, a arguments) error {
	err := s.execution("exec", a).Resize(ctx, a.number("rows"), a.number("columns"))
	return said(err, "resize", a.text("exec"))
}

func (s *scenario) detach(_ context.Context, a arguments) error {
	return said(s.execution("exec", a).Detach(), "detach", a.text("exec"))
}

func (s *scenario) listExecutions(ctx context.Context, a arguments) error {
	executions, err := s.lease(a).Executions(ctx)
	if err != nil {
		return err
	}
	ended := 0
	for _, execution := range executions {
		if execution.Ended != nil {
			ended++
		}
	}
	fmt.Printf("executions running=%d ended=%d\n", len(executions)-ended, ended)
	return nil
}

func (s *scenario) writeFile(ctx context.Context, a arguments) error {
	mode, _ := strconv.ParseUint(a.text("mode"), 8, 32)
	content := bytes.NewReader(a.bytes("data", "repeat"))
	err := s.lease(a).WriteFile(ctx, a.text("path"), content, berth.WriteOptions{
		Mode: fs.FileMode(mode), CreateParents: a.has("parents"),
	})
	return said(err, "wrote", encode([]byte(a.text("path"))))
}

func (s *scenario) readFile(ctx context.Context, a arguments) error {
	file, err := s.lease(a).ReadFile(ctx, a.text("path"), uint64(a.number("offset")), uint64(a.number("length")))
	if err != nil {
		return err
	}
	defer file.Close()
	data, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	fmt.Printf("file %s size=%d mode=%04o\n", encode([]byte(a.text("path"))), file.Info.Size, file.Info.Mode)
	if len(data) > 0 {
		fmt.Println("data", show(data))
	}
	return nil
}

func (s *scenario) list(ctx context.Context, a arguments) error {
	entries, err := s.lease(a).ListDirectory(ctx, a.text("path"))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		line := "entry " + encode([]byte(entry.Name)) + " " + strings.ToLower(entry.Type.String())
		if entry.Type == berthv1.FileType_REGULAR {
			line += fmt.Sprintf(" size=%d", entry.Size)
		}
		fmt.Printf("%s mode=%04o\n", line, entry.Mode)
	}
	fmt.Println("listed", len(entries))
	return nil
}

func (s *scenario) remove(ctx context.Context, a arguments) error {
	err := s.lease(a).Remove(ctx, a.text("path"), a.has("recursive"))
	return said(err, "removed", encode([]byte(a.text("path"))))
}

func (s *scenario) readArchive(ctx context.Context, a arguments) error {
	archive, err := s.lease(a).ReadArchive(ctx, a.text("path"))
	if err != nil {
		return err
	}
	defer archive.Close()
	if s.archives[a.text("as")], err = io.ReadAll(archive); err != nil {
		return err
	}
	fmt.Println("archive", a.text("as"))
	return nil
}

func (s *scenario) writeArchive(ctx context.Context, a arguments) error {
	archive := bytes.NewReader(s.archives[a.text("archive")])
	files, err := s.lease(a).WriteArchive(ctx, a.text("path"), archive)
	return said(err, fmt.Sprintf("unpacked files=%d", files))
}

func (s *scenario) changeWorld(_ context.Context, a arguments) error {
	fmt.Println("@" + a.text("action"))
	_, err := s.world.ReadString('\n')
	return err
}
