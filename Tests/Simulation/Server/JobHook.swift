// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#endif

/// Runs the jobs of Swift's tasks where a world says. Swift's runtime has a hook for jobs that would go to its thread pool: those
/// that come up on the thread of a world go to that world, and all others where they always go.
enum JobHook {
    private typealias Original = @convention(thin) (UnownedJob) -> Void
    private typealias Hook = @convention(thin) (UnownedJob, Original) -> Void

    /// The thread of the world that lives now, and where its jobs go. Only that thread changes it, and reads the second part.
    nonisolated(unsafe) private static var enqueue: ((UnownedJob) -> Void)?
    private static let thread = Atomic<UInt>(0)
    /// One world at a time.
    private static let turn = Mutex(())

    private static let isInstalled: Bool = {
        guard let symbol = dlsym(nil, "swift_task_enqueueGlobal_hook") else { return false }
        symbol.assumingMemoryBound(to: Hook?.self).pointee = { job, original in
            guard JobHook.thread.load(ordering: .acquiring) == UInt(pthread_self()), let enqueue = JobHook.enqueue
            else {
                return original(job)
            }
            enqueue(job)
        }
        return true
    }()

    /// Runs `body`; jobs that come up on this thread meanwhile go to `enqueue`.
    static func with<R>(_ enqueue: @escaping (UnownedJob) -> Void, _ body: () throws -> R) rethrows -> R {
        precondition(isInstalled, "this Swift runtime has no hook for jobs")
        return try turn.withLock { _ in
            self.enqueue = enqueue
            thread.store(UInt(pthread_self()), ordering: .releasing)
            defer {
                thread.store(0, ordering: .releasing)
                self.enqueue = nil
            }
            return try body()
        }
    }
}

/// As which the jobs of a world run.
final class WorldExecutor: SerialExecutor {
    private let add: @Sendable (UnownedJob) -> Void

    init(_ add: @escaping @Sendable (UnownedJob) -> Void) {
        self.add = add
    }

    func enqueue(_ job: consuming ExecutorJob) { add(UnownedJob(job)) }
}
