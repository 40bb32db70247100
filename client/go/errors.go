package xpstore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Reason says why something failed. It is an error itself, so that errors.Is(err, xpstore.NotFound) asks for it.
type Reason string

// The reasons of the contract, and the last three of this client.
const (
	InvalidArgument   Reason = "INVALID_ARGUMENT"   // a value is malformed; Field says which
	NotFound          Reason = "NOT_FOUND"          // what is named does not exist, or was deleted
	AlreadyExists     Reason = "ALREADY_EXISTS"     // a name, hash or id is taken
	Conflict          Reason = "CONFLICT"           // the request contradicts the present state
	Unauthenticated   Reason = "UNAUTHENTICATED"    // no key, or one that the server does not know
	PermissionDenied  Reason = "PERMISSION_DENIED"  // the key may not do this
	ResourceExhausted Reason = "RESOURCE_EXHAUSTED" // a limit of the service was met
	Unavailable       Reason = "UNAVAILABLE"        // the server is away; it was tried for the time allowed
	DeadlineExceeded  Reason = "DEADLINE_EXCEEDED"  // the call's time is over
	DataLoss          Reason = "DATA_LOSS"          // bytes do not match their digest
	Internal          Reason = "INTERNAL"           // a fault of the server; its log has the trace under RequestID
	Stale             Reason = "STALE"              // another writer or stream took over; Expected says where to go on
	Unimplemented     Reason = "UNIMPLEMENTED"      // the server has no such method, or is none of ours
	Canceled          Reason = "CANCELED"           // the context was cancelled
	WrongContract     Reason = "CONTRACT"           // the server speaks a contract that this client is not made for
	ComputationFailed Reason = "COMPUTATION_FAILED" // who computed what was waited for was told an error
)

// Error is the reason as text.
func (r Reason) Error() string { return string(r) }

// Error is what went wrong, in words and for programs.
type Error struct {
	Reason     Reason
	Message    string
	Metadata   map[string]string // what it is about: field, value, resource, limit, expected
	RequestID  string            // names the call in the server's log; empty where no call was made
	RetryAfter time.Duration     // after which the server asks to repeat the call; 0 where it does not say

	isOurs  bool // the service itself said it, or this client
	isFinal bool // repeating it does not help, whatever the reason
	cause   error
}

// Error is what went wrong, in words.
func (e *Error) Error() string {
	if e.RequestID == "" {
		return "xpstore: " + e.Message
	}
	return fmt.Sprintf("xpstore: %s (request %s)", e.Message, e.RequestID)
}

// Is says whether the target is the reason of the error.
func (e *Error) Is(target error) bool {
	reason, is := target.(Reason)
	return is && reason == e.Reason
}

// Unwrap returns what gRPC or the context said.
func (e *Error) Unwrap() error { return e.cause }

// Field is the path of the malformed field in the request, such as "draft.links[3].step".
func (e *Error) Field() string { return e.Metadata["field"] }

// Value is the value that was refused or not found, shortened.
func (e *Error) Value() string { return e.Metadata["value"] }

// Resource is the kind of what is not there, or taken.
func (e *Error) Resource() string { return e.Metadata["resource"] }

// Limit is the name of the limit that was met.
func (e *Error) Limit() string { return e.Metadata["limit"] }

// Expected is the number that would have done: where to go on, or the most that is allowed; false where there is none.
func (e *Error) Expected() (int64, bool) {
	number, err := strconv.ParseInt(e.Metadata["expected"], 10, 64)
	return number, err == nil
}

// mayRepeat says whether the same call may help when it is made again.
func (e *Error) mayRepeat() bool {
	if e.isFinal || e.Limit() == "disk" {
		return false
	}
	switch e.Reason {
	case Unavailable, DeadlineExceeded:
		return true
	case Internal:
		return !e.isOurs // of a proxy or a network on the way
	}
	return e.RetryAfter > 0
}

// invalid is a value that this client refuses before it asks the server.
func invalid(field string, value any, why string) *Error {
	text := shortened(fmt.Sprintf("%#v", value), 200)
	return &Error{
		Reason:   InvalidArgument,
		Message:  fmt.Sprintf("%s = %s: %s", field, text, why),
		Metadata: map[string]string{"field": field, "value": text},
		isOurs:   true,
	}
}

// fault is an error of this client.
func fault(reason Reason, format string, arguments ...any) *Error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, arguments...), isOurs: true, isFinal: true}
}

var reasonOf = map[codes.Code]Reason{
	codes.InvalidArgument: InvalidArgument, codes.OutOfRange: InvalidArgument, codes.NotFound: NotFound,
	codes.AlreadyExists: AlreadyExists, codes.FailedPrecondition: Conflict, codes.Aborted: Conflict,
	codes.Unauthenticated: Unauthenticated, codes.PermissionDenied: PermissionDenied,
	codes.ResourceExhausted: ResourceExhausted, codes.Unavailable: Unavailable, codes.Canceled: Unavailable,
	codes.DeadlineExceeded: DeadlineExceeded, codes.DataLoss: DataLoss, codes.Unimplemented: Unimplemented,
}

// typed makes the error of a call that failed; errors that are typed already stay as they are.
func typed(ctx context.Context, err error) error {
	var already *Error
	if err == nil || errors.As(err, &already) {
		return err
	}
	if own := ctx.Err(); own != nil {
		reason := Canceled
		if errors.Is(own, context.DeadlineExceeded) {
			reason = DeadlineExceeded
		}
		return &Error{Reason: reason, Message: own.Error(), isFinal: true, cause: own}
	}
	state, isStatus := status.FromError(err)
	if !isStatus {
		state = status.FromContextError(err)
	}
	found := &Error{Reason: Internal, Message: state.Message(), Metadata: map[string]string{}, cause: err}
	if reason, is := reasonOf[state.Code()]; is {
		found.Reason = reason
	}
	for _, detail := range state.Details() {
		switch said := detail.(type) {
		case *errdetails.ErrorInfo:
			if said.Domain == "xpstore" {
				found.isOurs, found.Reason = true, Reason(said.Reason)
				for key, value := range said.Metadata {
					found.Metadata[key] = value
				}
			}
		case *errdetails.RetryInfo:
			found.RetryAfter = max(said.GetRetryDelay().AsDuration(), time.Millisecond)
		}
	}
	found.RequestID = found.Metadata["request_id"]
	delete(found.Metadata, "request_id")
	if !found.isOurs {
		explain(found, state)
	}
	return found
}

// AsError is the error of a call that was made by [Client.Conn] and the generated package, as this package has errors.
func AsError(ctx context.Context, err error) error { return typed(ctx, err) }

const notOurs = "no xpstore answers there: is it passed on as gRPC (grpc_pass in nginx), with its path?"

var (
	httpStatus = regexp.MustCompile(`HTTP status code received from server: (\d{3})`)
	untrusted  = regexp.MustCompile(`x509:|tls: failed|tls: first record|certificate|no required SSL`)
	cures      = map[string]string{
		"404": notOurs,
		"413": "it takes no bodies of this size: lift its limit, as by `client_max_body_size 0` in nginx",
		"502": "it does not reach the server: does that run, and does the proxy speak gRPC to it?",
		"503": "it does not reach the server: does that run, and does the proxy speak gRPC to it?",
		"504": "the server did not answer it in time",
	}
)

// explain says more of an error that is not the service's: of gRPC's library, a proxy or the network.
func explain(found *Error, state *status.Status) {
	if match := httpStatus.FindStringSubmatch(found.Message); match != nil {
		found.Metadata["http_status"] = match[1]
		found.Message = fmt.Sprintf("a proxy before the server answered with HTTP status %s", match[1])
		if cure := cures[match[1]]; cure != "" {
			found.Message += ": " + cure
		}
		switch match[1] {
		case "401":
			found.Reason = Unauthenticated
		case "403":
			found.Reason = PermissionDenied
		case "413":
			found.Reason = ResourceExhausted
		case "404":
			found.Reason = Unimplemented
		default:
			found.Reason = Unavailable
		}
		return
	}
	switch {
	case strings.Contains(found.Message, "error while marshaling"): // such as text that is no UTF-8
		found.Reason, found.isFinal = InvalidArgument, true
	case state.Code() == codes.ResourceExhausted && strings.Contains(found.Message, "larger than max"):
		found.Message = "the answer is larger than this client takes; ask for smaller pages: " + found.Message
	case state.Code() == codes.Unimplemented:
		found.Message += ": " + notOurs
	case state.Code() == codes.Unavailable:
		found.isFinal = untrusted.MatchString(found.Message)
		found.Message = "the server does not answer: " + found.Message
	case strings.Contains(found.Message, "RST_STREAM"):
		found.Reason = Unavailable
		found.Message = "a proxy or the network ended the call: " + found.Message
	}
}
