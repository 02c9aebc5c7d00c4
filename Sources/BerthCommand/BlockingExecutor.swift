// SPDX-License-Identifier: Apache-2.0

import Dispatch

/// A thread for tasks that wait in system calls: of the threads that all other tasks share there may be only one.
final class BlockingExecutor: TaskExecutor {
    private let queue: DispatchQueue

    init(_ label: String) {
        queue = DispatchQueue(label: "berth.\(label)")
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
