package xpstore

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
)

const (
	firstBackoff   = 50 * time.Millisecond
	longestBackoff = 2 * time.Second
	// How long a server that has too much to do is waited for by what moves many bytes.
	busyLimit = 15 * time.Minute
)

// attempt is one of several at the same thing. They last as long as a call may take, since the first or the last progress.
type attempt struct {
	deadline time.Time
	backoff  time.Duration
	limit    time.Duration
}

// progress says that something arrived: the server may be away for the whole time again.
func (a *attempt) progress() {
	a.deadline, a.backoff = time.Now().Add(a.limit), firstBackoff
}

// repeat tries something until it ends well, or with an error that another attempt does not mend.
func (c *Client) repeat(ctx context.Context, try func(*attempt) error) error {
	return c.attempts(ctx, 0, "", try)
}

// repeatLong is repeat of what moves many bytes: a server that has too much to do is waited for. Also errors of one more
// reason are tried again.
func (c *Client) repeatLong(ctx context.Context, also Reason, try func(*attempt) error) error {
	return c.attempts(ctx, busyLimit, also, try)
}

func (c *Client) attempts(ctx context.Context, busy time.Duration, also Reason, try func(*attempt) error) error {
	began, state := time.Now(), &attempt{limit: c.timeout}
	state.progress()
	for {
		err := typed(ctx, try(state))
		var found *Error
		if err == nil || ctx.Err() != nil || !errors.As(err, &found) {
			return err
		}
		if !found.mayRepeat() && (found.Reason != also || found.isFinal) {
			return err
		}
		if found.Reason == Unavailable {
			c.forgetLimits()
		}
		wait := state.backoff/2 + rand.N(state.backoff/2)
		if found.RetryAfter > 0 {
			wait = max(wait, found.RetryAfter)
			if time.Since(began) < busy {
				state.progress()
			}
		}
		if time.Now().Add(wait).After(state.deadline) {
			return err
		}
		state.backoff = min(2*state.backoff, longestBackoff)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// method is that of a generated stub.
type method[Request, Answer any] func(context.Context, Request, ...grpc.CallOption) (Answer, error)

// call makes a unary call, again while the server is away and time is left.
func call[Request, Answer any](
	ctx context.Context, c *Client, method method[Request, Answer], request Request,
) (Answer, error) {
	return callFor(ctx, c, 0, method, request)
}

// callFor makes a call of which an attempt may take longer than others.
func callFor[Request, Answer any](
	ctx context.Context, c *Client, extra time.Duration, method method[Request, Answer], request Request,
) (answer Answer, err error) {
	err = c.repeat(ctx, func(state *attempt) error {
		bounded, cancel := context.WithDeadline(ctx, state.deadline.Add(extra))
		defer cancel()
		var err error
		answer, err = method(bounded, request)
		return err
	})
	return answer, err
}

// once makes one attempt at a call, for who repeats more than it or has another way.
func once[Request, Answer any](
	ctx context.Context, c *Client, method method[Request, Answer], request Request,
) (Answer, error) {
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	answer, err := method(bounded, request)
	return answer, typed(ctx, err)
}
