// SPDX-License-Identifier: Apache-2.0

package berth

import "io"

// pop takes the head of a queue, or up to limit bytes of it.
func (o *output) pop(stream int, limit int) chunk {
	head := &o.queues[stream][0]
	taken := *head
	if limit > 0 && len(head.data) > limit {
		taken.data, taken.events = head.data[:limit:limit], 0
		head.data = head.data[limit:]
		head.offset += uint64(limit)
	} else {
		o.queues[stream] = o.queues[stream][1:]
		if len(o.queues[stream]) == 0 {
			o.queues[stream] = nil
		}
	}
	o.held -= taken.held()
	o.consume(stream, taken.end(), taken.events)
	if o.held <= lastResort*o.window {
		o.changed.Broadcast()
	}
	return taken
}

// next takes the oldest chunk of all streams; io.EOF comes after the end.
func (o *output) next() (stream int, c chunk, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		oldest := -1
		for stream, queue := range o.queues {
			if len(queue) > 0 && (oldest < 0 || queue[0].order < o.queues[oldest][0].order) {
				oldest = stream
			}
		}
		switch {
		case oldest >= 0:
			return oldest, o.pop(oldest, 0), nil
		case o.last != nil:
			return 0, chunk{}, io.EOF
		case o.isOver:
			return 0, chunk{}, o.failure()
		}
		o.changed.Wait()
	}
}

// read reads one of the streams. A gap is an error of type *Dropped, after which reading goes on.
func (o *output) read(stream int, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.queues[stream]) == 0 {
		switch {
		case o.last != nil:
			return 0, io.EOF
		case o.isOver:
			return 0, o.failure()
		}
		o.changed.Wait()
	}
	c := o.pop(stream, len(p))
	if c.dropped > 0 {
		return 0, &Dropped{Stream: Stream(stream), Offset: c.offset, Bytes: c.dropped}
	}
	return copy(p, c.data), nil
}

// discard drops what is held of a stream and what still comes.
func (o *output) discard(stream int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.discards[stream] = true
	for len(o.queues[stream]) > 0 {
		o.pop(stream, 0)
	}
	o.changed.Broadcast()
}
