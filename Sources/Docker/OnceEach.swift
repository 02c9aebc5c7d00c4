// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Work that is done once for each key, by a task that outlives a cancelled caller. What failed is done again for the next.
final class OnceEach<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private let tasks = Mutex<[Key: Task<Value, any Error>]>([:])

    /// Whether there was ever something to do.
    var isUsed: Bool { used.withLock { $0 } }
    private let used = Mutex(false)

    func value(_ key: Key, _ work: @escaping @Sendable () async throws -> Value) async throws -> Value {
        used.withLock { $0 = true }
        let task = tasks.withLock { tasks in
            if let task = tasks[key] { return task }
            let task = Task<Value, any Error> { [self] in
                do {
                    return try await work()
                } catch {
                    forget(key)
                    throw error
                }
            }
            tasks[key] = task
            return task
        }
        guard let outcome = await abandonable(task) else { throw CancellationError() }
        return try outcome.get()
    }

    /// The next caller has it done again.
    func forget(_ key: Key) { tasks.withLock { $0[key] = nil } }
    func forgetAll() { tasks.withLock { $0 = [:] } }
}
