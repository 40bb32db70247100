package xpstore

import (
	"sync"
	"sync/atomic"
)

// line is what several streams share. Once one of them broke they go one after the other: only whole messages count, and of
// several under way at the same time a thin line may bring none.
type line struct {
	isThin atomic.Bool
	turn   sync.Mutex
}

// enter waits for the turn of a stream, and returns what ends it.
func (l *line) enter() (leave func()) {
	if !l.isThin.Load() {
		return func() {}
	}
	l.turn.Lock()
	return l.turn.Unlock
}

// breaks says that a stream broke.
func (l *line) breaks() { l.isThin.Store(true) }
