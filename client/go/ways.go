package xpstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// Less is fetched and sent as fast through the server.
	pastFrom = 1 << 20
	// What fails so often, one after the other, is left alone for a while.
	wayFailures = 2
	wayOff      = 10 * time.Minute
)

// broken are bytes that did not go past the server: they go through it.
type broken struct{ text string }

func (b *broken) Error() string { return b.text }

func brokenf(format string, arguments ...any) *broken {
	return &broken{fmt.Sprintf(format, arguments...)}
}

// way is what is known of the way past one server, down or up. The zero value is one that nobody has tried.
type way struct {
	trial sync.Mutex // held by who tries it, until it is proven

	lock     sync.Mutex
	isProven bool // bytes went by it
	failures int
	offUntil time.Time
}

// state says whether it may be tried, and whether it is known to be open.
func (w *way) state() (isOpen, isProven bool) {
	w.lock.Lock()
	defer w.lock.Unlock()
	return !time.Now().Before(w.offUntil), w.isProven
}

// worked says that bytes went by it.
func (w *way) worked() {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.isProven, w.failures = true, 0
}

// failed says that bytes did not go by it.
func (w *way) failed(err error) {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.failures++
	if w.isProven && w.failures < wayFailures {
		return
	}
	w.offUntil, w.failures, w.isProven = time.Now().Add(wayOff), 0, false
	slog.Debug("xpstore: bytes go through the server for ten minutes", "reason", err.Error())
}

// took notes how bytes went by it. That the caller gave up, or the server has too much to do or is away, tells nothing of it.
func (w *way) took(ctx context.Context, err error) {
	var found *Error
	switch {
	case err == nil:
		w.worked()
	case ctx.Err() != nil:
	case errors.As(err, &found) && (found.mayRepeat() || found.Reason == ResourceExhausted):
	default:
		w.failed(err)
	}
}
