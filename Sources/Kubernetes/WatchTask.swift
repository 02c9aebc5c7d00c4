// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// The task of a watch, which begins once and does not begin again after it was stopped.
final class WatchTask: Sendable {
    private struct State {
        var task: Task<Void, Never>?
        var isStopped = false
    }

    private let state = Mutex(State())

    func start(_ run: @escaping @Sendable () async -> Void) {
        state.withLock { state in
            guard state.task == nil, !state.isStopped else { return }
            state.task = Task { await run() }
        }
    }

    func stop() {
        let task = state.withLock { state in
            state.isStopped = true
            return state.task.take()
        }
        task?.cancel()
    }
}
