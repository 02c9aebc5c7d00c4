// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// The result of a task that goes on without its waiters; nil at once when the waiting task is cancelled.
func abandonable<Value: Sendable>(_ task: Task<Value, any Error>) async -> Result<Value, any Error>? {
    let answer = Once<Result<Value, any Error>?>()
    return await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
            answer.arm(continuation)
            if Task.isCancelled { return answer.give(nil) }
            Task { answer.give(await task.result) }
        }
    } onCancel: {
        answer.give(nil)
    }
}

/// Answers one continuation once, whoever comes first.
private final class Once<Value: Sendable>: Sendable {
    private let waiting = Mutex<CheckedContinuation<Value, Never>?>(nil)

    func arm(_ continuation: CheckedContinuation<Value, Never>) { waiting.withLock { $0 = continuation } }
    func give(_ value: Value) { waiting.withLock { $0.take() }?.resume(returning: value) }
}
