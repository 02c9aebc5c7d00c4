// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"math"
	"time"
	"unicode/utf8"

	pb "berth.dev/go/berth/v1"
)

// Command is a program to run, and how. One of Argv, Shell and Code says what; for the rest, the zero value is the
// server's choice. Times are rounded up to milliseconds. Argv, Env and Cwd may hold any bytes, UTF-8 or not.
type Command struct {
	// Argv is the program and its arguments; a program without a slash is looked up in PATH.
	Argv []string
	// Shell is a line for the container's /bin/sh.
	Shell string
	// Code is source text, at most 128 KiB, run as Language says: "python", "sh", or what the pool's configuration
	// names.
	Code, Language string

	// Env is added to the environment that the pool gives.
	Env map[string]string
	// Cwd is absolute.
	Cwd string
	// UID is the user id it runs as.
	UID uint32

	// Stdin is the first bytes of its standard input, and all of them without KeepStdinOpen. What is over 1 MiB follows in
	// pieces, as the program reads.
	Stdin []byte
	// KeepStdinOpen lets more come with Execution.Stdin. Run refuses it.
	KeepStdinOpen bool
	// Terminal gives it a terminal: all that it writes is Stdout, and Stdin is what is typed.
	Terminal *Terminal

	// Timeout is after what it is ended with all it started.
	Timeout time.Duration
	// Grace is between TERM and KILL.
	Grace time.Duration
	// IdleTimeout is how long it may write nothing.
	IdleTimeout time.Duration
	// CPUTime is what it may use, with everything it started.
	CPUTime time.Duration
	// KeepBackground lets what it leaves running go on until the lease ends.
	KeepBackground bool

	// Window is how many bytes of output may be under way, 64 KiB to 1 MiB; 0 is 256 KiB.
	Window int
	// MergeOutput makes stdout and stderr one pipe, in the order of writing: all is Stdout.
	MergeOutput bool
	// MaxOutput is the most that each of its streams may have in bytes.
	MaxOutput uint64
	// KillAtMaxOutput ends it there; else the rest is counted and not sent.
	KillAtMaxOutput bool

	// Resumable is how long it goes on, and its output is kept, when nobody watches it; it can be attached to
	// meanwhile.
	Resumable time.Duration
	// WaitUnwatched blocks it then in its write rather than lose what nobody has read.
	WaitUnwatched bool

	// Pool and Wait are for Client.Run and Client.Execute, which acquire a member of their own.
	Pool string
	// Wait is how long to wait in line when no member is warm.
	Wait time.Duration

	context string // that Code is a piece for
}

// Terminal is a terminal's size in characters; 0 is 24 and 80.
type Terminal struct {
	Rows, Columns int
	// NoEcho: what is typed is not echoed.
	NoEcho bool
}

// Argv is a program and its arguments.
func Argv(argv ...string) *Command { return &Command{Argv: argv} }

// Shell is a line for the container's /bin/sh.
func Shell(line string) *Command { return &Command{Shell: line} }

// Source is source text in a language of the pool: "python", "sh" …
func Source(language, text string) *Command { return &Command{Language: language, Code: text} }

func (c *Command) request(lease string) (*pb.ExecuteRequest, error) {
	if len(c.Argv) == 0 && c.Shell == "" && c.Language == "" && c.context == "" {
		return nil, newError(InvalidArgument, "the command has neither Argv nor Shell nor Code with Language")
	}
	request := &pb.ExecuteRequest{
		Lease: lease, Shell: c.Shell, Code: c.Code, Language: c.Language, Uid: c.UID, MergeOutput: c.MergeOutput,
		Stdin: c.Stdin, KeepStdinOpen: c.KeepStdinOpen, TimeoutMs: milliseconds(c.Timeout), GraceMs: milliseconds(c.Grace),
		IdleTimeoutMs: milliseconds(c.IdleTimeout), CpuTimeMs: milliseconds(c.CPUTime), KeepBackground: c.KeepBackground,
		WindowBytes: clampWindow(c.Window), MaxOutputBytes: c.MaxOutput, ResumableMs: milliseconds(c.Resumable),
		Context: c.context,
	}
	c.putWords(request)
	request.Cwd, request.CwdRaw = text(c.Cwd)
	if len(c.Stdin) > inlineInput {
		request.Stdin, request.KeepStdinOpen = c.Stdin[:maxInput], true
	}
	if lease == "" {
		request.Pool, request.WaitMs = c.Pool, milliseconds(c.Wait)
	}
	if c.Terminal != nil {
		request.Terminal = &pb.Terminal{Rows: uint32(c.Terminal.Rows), Columns: uint32(c.Terminal.Columns), NoEcho: c.Terminal.NoEcho}
	}
	if c.KillAtMaxOutput {
		request.OutputPolicy = pb.OutputPolicy_KILL_AT_LIMIT
	}
	if c.WaitUnwatched {
		request.Unwatched = pb.Unwatched_WAIT
	}
	return request, nil
}

func (c *Command) putWords(request *pb.ExecuteRequest) {
	request.Argv = c.Argv
	for _, word := range c.Argv {
		if !utf8.ValidString(word) {
			request.Argv, request.ArgvRaw = nil, make([][]byte, len(c.Argv))
			for i, word := range c.Argv {
				request.ArgvRaw[i] = []byte(word)
			}
			break
		}
	}
	request.Env, request.EnvRaw = environment(c.Env)
}

// environment is for the wire, like text.
func environment(env map[string]string) (map[string]string, [][]byte) {
	var raw [][]byte
	for name, value := range env {
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			raw = append(raw, []byte(name+"="+value))
		}
	}
	if len(raw) == 0 {
		return env, nil
	}
	texts := map[string]string{}
	for name, value := range env {
		if utf8.ValidString(name) && utf8.ValidString(value) {
			texts[name] = value
		}
	}
	return texts, raw
}

// text is for the wire, where a string that is not UTF-8 has a field of bytes beside that of text.
func text(s string) (string, []byte) {
	if utf8.ValidString(s) {
		return s, nil
	}
	return "", []byte(s)
}

// milliseconds is for the wire, where 0 is "the server's choice": at least 1 for anything more than nothing.
func milliseconds(d time.Duration) uint32 {
	if d <= 0 {
		return 0
	}
	ms := (d + time.Millisecond - 1) / time.Millisecond
	if ms > math.MaxUint32 {
		return math.MaxUint32
	}
	return uint32(ms)
}
