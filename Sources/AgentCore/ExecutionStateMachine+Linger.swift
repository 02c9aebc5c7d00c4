// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema

extension ExecutionStateMachine {
    /// Processes that a program has left may hold its output, and may still have to write what the program wrote to
    /// them (`tee`). So they go on for a moment: until no writer is left, they have been silent for the grace, or the
    /// total time is over.
    ///
    /// Time without credit does not count, since they may be unable to write then.
    struct Linger {
        /// When the total time is over.
        var end: UInt64
        /// The time-out of the program, which counts also without credit.
        let timeout: UInt64?
        /// When the credit was used up; nil if there is credit.
        var stalled: UInt64?
    }

    /// Must be called when the program has ended by itself and left processes, which may hold its output.
    mutating func beginLinger(now: UInt64) {
        let timeout = due
        due = nil
        lastOutput = now
        linger = Linger(
            end: now + limits.maxOutputGrace, timeout: timeout, stalled: outstanding == limits.window ? now : nil)
    }

    /// The time of the processes that the program has left is over: they are killed or kept.
    mutating func endLinger() -> [Action] {
        linger = nil
        guard limits.keepsBackground, termination == nil else { return [.kill] }
        phase = .gone
        return [.detach, .seal]
    }

    /// Silence does not end them while one of them runs: on a busy machine it may wait for a processor.
    mutating func lingerPassed(now: UInt64) -> [Action] {
        guard let linger, outstanding < limits.window, now < min(linger.end, linger.timeout ?? .max) else {
            return endLinger()
        }
        return [.lookAtLeft]
    }

    package mutating func lookedAtLeft(runs: Bool, now: UInt64) -> [Action] {
        guard linger != nil else { return [] }
        guard runs else { return endLinger() }
        lastOutput = now
        return []
    }

    /// Ends the lingering if no writer is left.
    mutating func endLingerIfClosed() -> [Action] {
        guard linger != nil else { return [] }
        let isOpen = outputs.stdout.isOpen || outputs.stderr.isOpen
        return isOpen && limits.outputGrace > 0 ? [] : endLinger()
    }

    var lingerDue: UInt64? {
        guard let linger else { return nil }
        guard outstanding < limits.window else { return linger.timeout }
        return min(lastOutput + limits.outputGrace, linger.end, linger.timeout ?? .max)
    }

    /// Must be called when the credit was used up, or there is credit again.
    mutating func creditChanged(now: UInt64) {
        guard var linger else { return }
        if outstanding == limits.window {
            linger.stalled = linger.stalled ?? now
        } else if let since = linger.stalled {
            linger.end += now - min(since, now)
            linger.stalled = nil
        }
        self.linger = linger
    }
}
