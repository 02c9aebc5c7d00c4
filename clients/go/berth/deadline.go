// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"sync"
	"time"
)

// deadline is a time that may be moved while somebody waits for it.
type deadline struct {
	mu    *sync.Mutex
	timer *time.Timer
	done  chan struct{}
}

func newDeadline() deadline { return deadline{mu: &sync.Mutex{}, done: make(chan struct{})} }

// passed is closed when the time has passed.
func (d *deadline) passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.done // It is about to be closed, or is.
	}
	d.timer = nil
	isPassed := false
	select {
	case <-d.done:
		isPassed = true
	default:
	}
	if isPassed && (t.IsZero() || time.Until(t) > 0) {
		d.done = make(chan struct{})
		isPassed = false
	}
	switch done := d.done; {
	case t.IsZero() || isPassed:
	case time.Until(t) <= 0:
		close(done)
	default:
		d.timer = time.AfterFunc(time.Until(t), func() { close(done) })
	}
}
