package berth

import (
	"context"
	"errors"
	"fmt"
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

// Error is why a call failed.
type Error struct {
	Code Code
	// Message says what was wrong and, where that is known, what would be right; one line.
	Message string
	cause   error
}

func (e *Error) Error() string { return e.Code.String() + ": " + e.Message }

// Unwrap returns what is below: context.DeadlineExceeded, a network error …; or nil.
func (e *Error) Unwrap() error { return e.cause }

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
