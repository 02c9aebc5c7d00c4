// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"context"
	"errors"
	"fmt"

	pb "berth.dev/go/berth/v1"
)

// Code is one of gRPC's status codes.
type Code int32

// The codes that Berth uses.
const (
	OK                 Code = 0
	Cancelled          Code = 1
	Unknown            Code = 2
	InvalidArgument    Code = 3
	DeadlineExceeded   Code = 4
	NotFound           Code = 5
	PermissionDenied   Code = 7
	ResourceExhausted  Code = 8
	FailedPrecondition Code = 9
	Unimplemented      Code = 12
	Internal           Code = 13
	// Unavailable: the server cannot be reached, or cannot serve this now; the message says which.
	Unavailable     Code = 14
	Unauthenticated Code = 16
)

var codeNames = map[Code]string{
	OK: "OK", Cancelled: "CANCELLED", Unknown: "UNKNOWN", InvalidArgument: "INVALID_ARGUMENT",
	DeadlineExceeded: "DEADLINE_EXCEEDED", NotFound: "NOT_FOUND", 6: "ALREADY_EXISTS", PermissionDenied: "PERMISSION_DENIED",
	ResourceExhausted: "RESOURCE_EXHAUSTED", FailedPrecondition: "FAILED_PRECONDITION", 10: "ABORTED", 11: "OUT_OF_RANGE",
	Unimplemented: "UNIMPLEMENTED", Internal: "INTERNAL", Unavailable: "UNAVAILABLE", 15: "DATA_LOSS",
	Unauthenticated: "UNAUTHENTICATED",
}

// String returns gRPC's name, for example "NOT_FOUND".
func (c Code) String() string {
	if name, ok := codeNames[c]; ok {
		return name
	}
	return fmt.Sprintf("CODE_%d", int32(c))
}

// Reason is the finer kind of a failure, as the contract names it: berthv1.ErrorReason_IS_A_DIRECTORY …
type Reason = pb.ErrorReason

// Error is why a call failed.
type Error struct {
	Code Code
	// Message says what was wrong and, where that is known, what would be right; one line.
	Message string
	// Reason tells apart what has the same code; 0 where the server gives none that is known here.
	Reason Reason
	// Metadata is what the server says beside the reason, as "retry_after_ms".
	Metadata map[string]string
	cause    error
	context  error // of a call whose context was done, whatever else went wrong
}

func (e *Error) Error() string {
	if e.Reason != 0 {
		return fmt.Sprintf("%s (%s): %s", e.Code, e.Reason, e.Message)
	}
	return e.Code.String() + ": " + e.Message
}

// Unwrap returns what is below: context.DeadlineExceeded, a network error …; or nil. A deadline is the same error whether
// it passed here or the server said so first.
func (e *Error) Unwrap() error {
	if e.cause == nil && e.Code == DeadlineExceeded {
		return context.DeadlineExceeded
	}
	return e.cause
}

// Is makes errors.Is find the context's error too when a call failed for another reason as its context was done.
func (e *Error) Is(target error) bool { return e.context != nil && target == e.context }

// ReasonOf returns the reason of an error of this package; 0 for any other, and where there is none.
func ReasonOf(err error) Reason {
	var typed *Error
	if errors.As(err, &typed) {
		return typed.Reason
	}
	return 0
}

// CodeOf returns the code of an error of this package, OK for nil, and Unknown for any other.
func CodeOf(err error) Code {
	if err == nil {
		return OK
	}
	var typed *Error
	if errors.As(err, &typed) {
		return typed.Code
	}
	return Unknown
}

func newError(code Code, format string, arguments ...interface{}) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, arguments...)}
}

// contextError is the error of a call whose context is done.
func contextError(ctx context.Context) *Error {
	err := ctx.Err()
	if errors.Is(err, context.DeadlineExceeded) {
		return &Error{Code: DeadlineExceeded, Message: "the call's deadline has passed", cause: err}
	}
	return &Error{Code: Cancelled, Message: "the caller left the call", cause: err}
}
