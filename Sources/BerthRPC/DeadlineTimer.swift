// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// One timer for any number of deadlines. It is armed with the earliest, and when it fires, nothing may be due any more.
/// Confined to its event loop.
final class DeadlineTimer {
    private let eventLoop: any EventLoop
    /// Handles what is due, and returns the next deadline, if any.
    private let expire: () -> NIODeadline?
    private var armed: (deadline: NIODeadline, task: Scheduled<Void>)?

    /// - Parameter expire: called when a deadline has passed; returns the next. It must not keep the timer's owner alive.
    init(eventLoop: any EventLoop, expire: @escaping () -> NIODeadline?) {
        self.eventLoop = eventLoop
        self.expire = expire
    }

    /// Arms the timer to fire at the deadline or earlier. If it is already, nothing is scheduled, so most calls cost no task.
    func arm(_ deadline: NIODeadline) {
        if let armed {
            guard deadline < armed.deadline else { return }
            armed.task.cancel()
        }
        let task = eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { self.fire() }
        armed = (deadline, task)
    }

    /// The owner must cancel the timer before it is deallocated.
    func cancel() {
        armed?.task.cancel()
        armed = nil
    }

    private func fire() {
        armed = nil
        if let next = expire() { arm(next) }
    }
}
