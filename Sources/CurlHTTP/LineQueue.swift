// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// A bounded queue of lines from the client's thread to one task. When it is full, the transfer pauses.
final class LineQueue: Sendable {
    struct Batch {
        var lines: [[UInt8]]
        /// Whether the transfer was paused because the queue was full, and must be resumed.
        var wasFull: Bool
    }

    private struct State {
        var partial: [UInt8] = []
        var lines: [[UInt8]] = []
        var bytes = 0
        var isPaused = false
        var isFinished = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    enum Offer { case taken, full, lineTooLong }

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) { self.limit = limit }

    /// Adds all of `bytes` or, if the queue is full, nothing.
    func offer(_ bytes: UnsafeRawBufferPointer) -> Offer {
        let (offer, waiter) = state.withLock { state -> (Offer, CheckedContinuation<Void, Never>?) in
            guard state.bytes == 0 || state.bytes + bytes.count <= limit else {
                state.isPaused = true
                return (.full, nil)
            }
            var rest = bytes[...]
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                state.partial.append(contentsOf: rest[rest.startIndex..<end])
                state.bytes += state.partial.count
                state.lines.append(state.partial)
                state.partial = []
                rest = rest[(end + 1)...]
            }
            state.partial.append(contentsOf: rest)
            guard state.partial.count <= limit else { return (.lineTooLong, nil) }
            return (.taken, state.lines.isEmpty ? nil : state.waiter.take())
        }
        waiter?.resume()
        return offer
    }

    /// Ends the queue. A last line without a line end counts as a line.
    func finish() {
        let waiter = state.withLock { state in
            if !state.partial.isEmpty { state.lines.append(state.partial) }
            state.partial = []
            state.isFinished = true
            return state.waiter.take()
        }
        waiter?.resume()
    }

    /// Waits for lines and returns all that are queued; nil at the end. For one task.
    func next() async -> Batch? {
        while true {
            let (batch, isFinished) = state.withLock { state -> (Batch, Bool) in
                defer {
                    state.lines = []
                    state.bytes = 0
                    state.isPaused = false
                }
                return (Batch(lines: state.lines, wasFull: state.isPaused), state.isFinished)
            }
            if !batch.lines.isEmpty { return batch }
            if isFinished { return nil }
            await withCheckedContinuation { continuation in
                let isDue = state.withLock { state in
                    guard state.lines.isEmpty, !state.isFinished else { return true }
                    state.waiter = continuation
                    return false
                }
                if isDue { continuation.resume() }
            }
        }
    }
}
