// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"fmt"
	"strings"
	"time"

	pb "berth.dev/go/berth/v1"
)

// Cause is why a program ended.
type Cause int32

// The causes.
const (
	CauseExited        Cause = 1  // by itself: ExitCode
	CauseSignalled     Cause = 2  // by a signal that Berth did not send: Signal
	CauseTimedOut      Cause = 3  // its time-out passed; ExitCode or Signal say how it then went
	CauseOutOfMemory   Cause = 4  // the kernel killed it, or a child of it, at the container's memory limit
	CauseOutputLimit   Cause = 5  // it wrote more than MaxOutput, with KillAtMaxOutput
	CauseCancelled     Cause = 6  // by Cancel, by the call's deadline, by its connection's end or by its lease's end
	CauseContainerLost Cause = 7  // the container went away under it
	CauseStartFailed   Cause = 8  // it never ran: StartFailure and Message say why
	CauseDraining      Cause = 9  // the server is shutting down
	CauseIdleTimeout   Cause = 10 // it wrote nothing for IdleTimeout
	CauseCPUTimeLimit  Cause = 11 // it used CPUTime
	// CauseConnectionReset, of Connect: the other side broke it off, with bytes on their way that nobody took.
	CauseConnectionReset Cause = 13
	CauseContextLost     Cause = 12 // the context it was to run in had ended, or broke the rules; Message says which
)

// String returns the cause as the contract names it, in lower case: "exited", "out_of_memory" …
func (c Cause) String() string { return strings.ToLower(pb.EndCause(c).String()) }

// StartFailure is why a program never ran.
type StartFailure int32

// The failures.
const (
	ProgramNotFound      StartFailure = 1 // a shell would say 127
	ProgramNotExecutable StartFailure = 2 // a shell would say 126
	BadCwd               StartFailure = 3 // the working directory is not there, or not to be entered
	NoResources          StartFailure = 4 // no process or no memory left in the container
)

// String returns the failure as the contract names it, in lower case: "program_not_found" …
func (f StartFailure) String() string { return strings.ToLower(pb.StartFailure(f).String()) }

// End is how a program ended.
type End struct {
	Cause        Cause
	ExitCode     int    // 0 to 255, where it exited
	Signal       int    // the number on Linux, where a signal ended it; else 0
	Message      string // the cause in words; empty where there is nothing to add
	StartFailure StartFailure
	Usage        Usage
	// StdoutBytes and StderrBytes were written by the program in all; of them, the truncated ones were not sent.
	StdoutBytes, StderrBytes         uint64
	StdoutTruncated, StderrTruncated uint64
	// OutOfMemoryKills counts processes of the container that the kernel killed meanwhile.
	OutOfMemoryKills uint64
	// ContextLost, of a piece of code: its context ended with it. ExitCode or Signal are the interpreter's then; else
	// ExitCode is the piece's own.
	ContextLost bool
}

// Usage is what a program used.
type Usage struct {
	Wall, User, System time.Duration
	PeakMemory         uint64 // bytes, of the largest process of it
}

// Success says that it exited with 0.
func (e End) Success() bool { return e.Cause == CauseExited && e.ExitCode == 0 }

// Err returns nil after a success, else an *EndError.
func (e End) Err() error {
	if e.Success() {
		return nil
	}
	return &EndError{End: e}
}

// EndError is a program's end that was no success, for callers who want it as an error; or a connection's.
type EndError struct {
	End     End
	subject string // empty of a program
}

func (e *EndError) Error() string {
	if e.subject != "" {
		return e.subject + " " + e.End.String()
	}
	return "the program " + e.End.String()
}

// String says it in words: "exited with code 3".
func (e End) String() string {
	var words string
	switch e.Cause {
	case CauseExited:
		words = fmt.Sprintf("exited with code %d", e.ExitCode)
	case CauseSignalled:
		words = fmt.Sprintf("was ended by signal %d", e.Signal)
	default:
		words = "ended: " + strings.ReplaceAll(e.Cause.String(), "_", " ")
	}
	if e.Message != "" {
		words += ": " + e.Message
	}
	return words
}

func newEnd(ended *pb.Ended) End {
	usage := ended.GetUsage()
	return End{
		Cause: Cause(ended.Cause), ExitCode: int(ended.ExitCode), Signal: int(ended.Signal), Message: ended.Message,
		StartFailure: StartFailure(ended.StartFailure),
		Usage: Usage{
			Wall: microseconds(usage.GetWallUs()), User: microseconds(usage.GetUserUs()),
			System: microseconds(usage.GetSystemUs()), PeakMemory: usage.GetPeakMemoryBytes(),
		},
		StdoutBytes: ended.StdoutBytes, StderrBytes: ended.StderrBytes,
		StdoutTruncated: ended.StdoutTruncated, StderrTruncated: ended.StderrTruncated,
		OutOfMemoryKills: ended.OutOfMemoryKills, ContextLost: ended.ContextLost,
	}
}

func microseconds(us uint64) time.Duration { return time.Duration(us) * time.Microsecond }
