// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// One timer for any number of deadlines: it is armed with the earliest, and may find that nothing is due any more.
/// Confined to its event loop.
final class DeadlineTimer {
    private let eventLoop: any EventLoop
    /// Does what is due, and returns the next deadline, if there is one.
    private let expire: () -> NIODeadline?
    private var armed: (deadline: NIODeadline, task: Scheduled<Void>)?

    /// - Parameter expire: called when a deadline has passed; returns the next. It must not keep the timer's owner alive.
    init(eventLoop: any EventLoop, expire: @escaping () -> NIODeadline?) {
        self.eventLoop = eventLoop
        self.expire = expire
    }

    /// Fires at the deadline, or before. Does nothing when it fires no later already, so that most calls cost no task.
    func arm(_ deadline: NIODeadline) {
        if let armed {
            guard deadline < armed.deadline else { return }
            armed.task.cancel()
        }
        let task = eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { self.fire() }
        armed = (deadline, task)
    }

    /// Whoever owns the timer must cancel it before he goes.
    func cancel() {
        armed?.task.cancel()
        armed = nil
    }

    private func fire() {
        armed = nil
        if let next = expire() { arm(next) }
    }
}
