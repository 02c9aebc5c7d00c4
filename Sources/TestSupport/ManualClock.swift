// SPDX-License-Identifier: Apache-2.0

package import Pool
internal import Synchronization

/// Time that stands still until a test moves it.
package final class ManualClock: MonotonicClock {
    private struct Sleeper {
        var deadline: MonotonicInstant
        var continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var now = MonotonicInstant(nanoseconds: 1_000_000_000)
        var counter = 0
        var sleepers: [Int: Sleeper] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    /// Tasks that wait for the time to pass.
    package var sleeperCount: Int { state.withLock { $0.sleepers.count } }

    package func now() -> MonotonicInstant { state.withLock { $0.now } }

    /// Advances the time, and wakes the tasks whose time has come.
    package func advance(by duration: Duration) {
        let due = state.withLock { state in
            state.now = state.now + duration
            let due = state.sleepers.filter { $0.value.deadline <= state.now }
            for key in due.keys { state.sleepers[key] = nil }
            return due.values.sorted { $0.deadline < $1.deadline }
        }
        for sleeper in due { sleeper.continuation.resume() }
    }

    package func sleep(until instant: MonotonicInstant) async throws {
        let key = state.withLock { state in
            state.counter += 1
            return state.counter
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let answer: Result<Void, any Error>? = state.withLock { state in
                    if Task.isCancelled { return .failure(CancellationError()) }
                    if instant <= state.now { return .success(()) }
                    state.sleepers[key] = Sleeper(deadline: instant, continuation: continuation)
                    return nil
                }
                if let answer { continuation.resume(with: answer) }
            }
        } onCancel: {
            let sleeper = state.withLock { $0.sleepers.removeValue(forKey: key) }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }
}
