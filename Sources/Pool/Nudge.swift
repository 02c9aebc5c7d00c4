// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Wakes the maintenance task. Nudges that come while it works are not lost; several count as one.
final class Nudge: Sendable {
    private struct State {
        var isPending = false
        var waiting: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    func signal() {
        let waiting = state.withLock { state in
            defer { state.waiting = nil }
            state.isPending = state.waiting == nil
            return state.waiting
        }
        waiting?.resume()
    }

    /// Returns at the next signal, at `instant`, or when the task is cancelled.
    func wait(until instant: MonotonicInstant, _ deadlines: Deadlines) async {
        let deadline = deadlines.add(at: instant) { self.signal() }
        defer { deadlines.remove(deadline) }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let resumeNow = state.withLock { state in
                    precondition(state.waiting == nil, "one task waits for a nudge")
                    if state.isPending || Task.isCancelled {
                        state.isPending = false
                        return true
                    }
                    state.waiting = continuation
                    return false
                }
                if resumeNow { continuation.resume() }
            }
        } onCancel: {
            signal()
        }
    }
}
