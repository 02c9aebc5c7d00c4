// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"hash/crc32"
	"net/url"
	"strconv"
	"strings"
	"time"

	"berth.dev/go/berth"
)

// arguments are the key=value words of a step.
type arguments map[string][]string

const programKeys = "argv shell code language lease pool wait_ms env cwd uid stdin stdin_repeat timeout_ms grace_ms " +
	"idle_timeout_ms cpu_time_ms max_output_bytes output_policy keep_background deadline_ms argv_repeat merge_output context"

var keysOf = map[string]string{
	"connect": "as window connect_timeout_ms address", "close": "", "hello": "", "acquire": "as pool wait_ms detached ttl_ms",
	"token": "as token", "renew": "lease ttl_ms", "release": "lease", "stats": "field", "await": "field value timeout_ms",
	"run": programKeys, "start": programKeys + " as stdin_open terminal no_echo window resumable_ms unwatched",
	"read": "exec bytes stream", "finish": "exec", "input": "exec data repeat end", "signal": "exec signal",
	"cancel": "exec", "resize": "exec rows columns", "detach": "exec",
	"attach":     "as exec stdout_offset stderr_offset from_now observe window",
	"executions": "lease", "write-file": "lease path data repeat mode parents", "read-file": "lease path offset length",
	"list": "lease path", "remove": "lease path recursive", "read-archive": "as lease path",
	"write-archive": "archive lease path", "world": "action", "text": "exec", "stat": "lease path follow",
	"open-context": "as lease language env cwd uid", "close-context": "context", "contexts": "lease",
	"fork-context": "as context", "dial": "as lease port path wait_ms timeout_ms idle_timeout_ms window",
	"send": "conn data repeat end", "receive": "conn bytes", "exchange": "conn data repeat", "hang-up": "conn",
	"complete": "context code cursor", "inspect": "context code cursor detail", "events": "exec shown digest",
	"make-directory": "lease path mode parents", "rename": "lease path to no_replace", "change-mode": "lease path mode",
}

func parse(words []string) (arguments, error) {
	a := arguments{}
	for _, word := range words {
		parts := strings.SplitN(word, "=", 2)
		if len(parts) != 2 {
			return nil, fmt.Errorf("%q is not key=value", word)
		}
		value, err := url.PathUnescape(parts[1])
		if err != nil {
			return nil, err
		}
		a[parts[0]] = append(a[parts[0]], value)
	}
	return a, nil
}

// unknown returns a key that the verb does not have.
func (a arguments) unknown(verb string) string {
	for key := range a {
		if !strings.Contains(" "+keysOf[verb]+" client within_ms reason ", " "+key+" ") {
			return key
		}
	}
	return ""
}

func (a arguments) has(key string) bool { return len(a[key]) > 0 }

func (a arguments) text(key string) string {
	if !a.has(key) {
		return ""
	}
	return a[key][0]
}

func (a arguments) number(key string) int {
	n, _ := strconv.Atoi(a.text(key))
	return n
}

func (a arguments) time(key string) time.Duration {
	return time.Duration(a.number(key)) * time.Millisecond
}

// bytes is a value, repeated as often as another says.
func (a arguments) bytes(key, repeat string) []byte {
	count := 1
	if a.has(repeat) {
		count = a.number(repeat)
	}
	return []byte(strings.Repeat(a.text(key), count))
}

// command is the step's PROGRAM.
func (a arguments) command() *berth.Command {
	c := &berth.Command{
		Argv: a["argv"], Shell: a.text("shell"), Code: a.text("code"), Language: a.text("language"), Cwd: a.text("cwd"),
		UID: uint32(a.number("uid")), Stdin: a.bytes("stdin", "stdin_repeat"), KeepStdinOpen: a.has("stdin_open"),
		Timeout: a.time("timeout_ms"), Grace: a.time("grace_ms"), IdleTimeout: a.time("idle_timeout_ms"),
		CPUTime: a.time("cpu_time_ms"), KeepBackground: a.has("keep_background"), Window: a.number("window"),
		MaxOutput: uint64(a.number("max_output_bytes")), KillAtMaxOutput: a.text("output_policy") == "kill",
		Resumable: a.time("resumable_ms"), WaitUnwatched: a.text("unwatched") == "wait",
		Pool: a.text("pool"), Wait: a.time("wait_ms"),
	}
	c.MergeOutput = a.has("merge_output")
	if n := len(c.Argv); n > 0 && a.has("argv_repeat") {
		c.Argv = append(append([]string{}, c.Argv[:n-1]...), strings.Repeat(c.Argv[n-1], a.number("argv_repeat")))
	}
	c.Env = a.env()
	if size := a.text("terminal"); size != "" {
		c.Terminal = &berth.Terminal{NoEcho: a.has("no_echo")}
		fmt.Sscanf(size, "%dx%d", &c.Terminal.Rows, &c.Terminal.Columns)
	}
	return c
}

// piece is what of a PROGRAM is about a piece of code in a context.
func piece(c *berth.Command) berth.PieceOptions {
	return berth.PieceOptions{
		Stdin: c.Stdin, KeepStdinOpen: c.KeepStdinOpen, Timeout: c.Timeout, Grace: c.Grace, IdleTimeout: c.IdleTimeout,
		CPUTime: c.CPUTime, Window: c.Window, MaxOutput: c.MaxOutput, KillAtMaxOutput: c.KillAtMaxOutput,
		Resumable: c.Resumable, WaitUnwatched: c.WaitUnwatched,
	}
}

func (a arguments) env() map[string]string {
	var env map[string]string
	for _, pair := range a["env"] {
		if env == nil {
			env = map[string]string{}
		}
		parts := strings.SplitN(pair, "=", 2)
		env[parts[0]] = parts[1]
	}
	return env
}

// failure is the line of a step that failed.
func (a arguments) failure(verb string, err error) string {
	var typed *berth.Error
	if !errors.As(err, &typed) {
		return "failed " + err.Error()
	}
	name := ""
	switch verb {
	case "acquire", "start", "attach", "read-archive", "open-context", "fork-context", "dial":
		name = a.text("as")
	case "renew", "release", "executions", "contexts":
		name = a.text("lease")
	case "close-context", "complete", "inspect":
		name = a.text("context")
	case "input", "signal", "cancel", "resize":
		name = a.text("exec")
	case "write-file", "read-file", "list", "remove", "stat", "make-directory", "rename", "change-mode":
		name = a.text("path")
	case "write-archive":
		name = a.text("archive")
	case "read", "finish", "text":
		return fmt.Sprintf("%s error %s", a.text("exec"), typed.Code)
	}
	reason := ""
	if a.has("reason") {
		reason = " reason=NONE"
		if typed.Reason != 0 {
			reason = " reason=" + typed.Reason.String()
		}
	}
	if name != "" {
		verb += " " + encode([]byte(name))
	}
	return fmt.Sprintf("%s error %s", verb, typed.Code) + reason
}

// encode is percent-encoding of all but "!" to "~", and of "%".
func encode(data []byte) string {
	var out strings.Builder
	for _, b := range data {
		if b < '!' || b > '~' || b == '%' {
			fmt.Fprintf(&out, "%%%02X", b)
		} else {
			out.WriteByte(b)
		}
	}
	return out.String()
}

func show(data []byte) string {
	if len(data) <= 128 {
		return encode(data)
	}
	return fmt.Sprintf("bytes=%d crc32=%08x", len(data), crc32.ChecksumIEEE(data))
}

func showEnd(end berth.End) string {
	words := end.Cause.String()
	if end.Cause == berth.CauseExited || end.ExitCode != 0 {
		words += fmt.Sprintf(" code=%d", end.ExitCode)
	}
	if end.Signal != 0 {
		words += fmt.Sprintf(" signal=%d", end.Signal)
	}
	if end.StartFailure != 0 {
		words += " failure=" + end.StartFailure.String()
	}
	if end.StdoutTruncated != 0 {
		words += fmt.Sprintf(" stdout_truncated=%d", end.StdoutTruncated)
	}
	if end.StderrTruncated != 0 {
		words += fmt.Sprintf(" stderr_truncated=%d", end.StderrTruncated)
	}
	if end.ContextLost {
		words += " context_lost=1"
	}
	return words
}
