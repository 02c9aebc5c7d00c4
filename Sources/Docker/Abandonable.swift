// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Waits for a task that continues without its waiters. Returns nil at once if the waiting task is cancelled.
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

/// Resumes a continuation once; later calls have no effect.
private final class Once<Value: Sendable>: Sendable {
    private let waiting = Mutex<CheckedContinuation<Value, Never>?>(nil)

    func arm(_ continuation: CheckedContinuation<Value, Never>) { waiting.withLock { $0 = continuation } }
    func give(_ value: Value) { waiting.withLock { $0.take() }?.resume(returning: value) }
}
