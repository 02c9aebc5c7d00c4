// SPDX-License-Identifier: Apache-2.0

import Berth
import Synchronization

/// A call of a tool that is under way.
final class Call: Sendable {
    /// The time from TERM, or an interrupt, to KILL when a call is cancelled: the program is gone within half a second.
    private static let grace = Duration.milliseconds(200)

    let id: RequestID
    let version: ProtocolVersion
    /// Whether the task may be cancelled at any time. If not, the execution alone is: a piece of code in a session is to be
    /// interrupted, where a task that leaves it would kill its interpreter.
    private let cancelsTask: Bool

    private struct State {
        var task: Task<Void, Never>?
        var execution: Execution?
        var isCancelled = false
    }
    private let state = Mutex(State())

    init(_ id: RequestID, _ version: ProtocolVersion, cancelsTask: Bool) {
        self.id = id
        self.version = version
        self.cancelsTask = cancelsTask
    }

    var isCancelled: Bool { state.withLock { $0.isCancelled } }

    /// Returns when it has ended.
    func end() async { await state.withLock { $0.task }?.value }

    func runs(as task: Task<Void, Never>) { state.withLock { $0.task = task } }

    /// From now on, cancelling the call ends this execution.
    func runs(_ execution: Execution) {
        let isCancelled = state.withLock { state in
            state.execution = execution
            return state.isCancelled
        }
        if isCancelled { end(execution) }
    }

    /// Ends what it runs. It is never answered then.
    func cancel() {
        let (task, execution) = state.withLock { state -> (Task<Void, Never>?, Execution?) in
            guard !state.isCancelled else { return (nil, nil) }
            state.isCancelled = true
            return (state.task, state.execution)
        }
        if let execution {
            end(execution)
        } else if cancelsTask {
            task?.cancel()
        }
    }

    private func end(_ execution: Execution) {
        Task { try? await execution.cancel(grace: Call.grace) }
    }
}
