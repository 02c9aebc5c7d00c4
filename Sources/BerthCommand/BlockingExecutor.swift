// SPDX-License-Identifier: Apache-2.0

import Dispatch

/// A thread for tasks that block in system calls, so that they do not block the threads that all tasks share.
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
