// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema

extension Execution {
    /// What a program has left may hold its output, and may still have in hand what the program wrote to it (`tee`). So it
    /// goes on for a moment: until no writer is left, it has been silent for the grace, or its time in all is up.
    ///
    /// Time in which the reader withholds credit does not count, as a helper may be unable to write then.
    struct Linger {
        /// When its time in all is up.
        var end: UInt64
        /// The program's own time-out, which holds whatever the reader does.
        let timeout: UInt64?
        /// Since when there has been no credit.
        var stalled: UInt64?
    }

    /// The program has ended by itself, and others may hold its output.
    mutating func beginLinger(now: UInt64) {
        let timeout = due
        due = nil
        lastOutput = now
        linger = Linger(
            end: now + limits.maxOutputGrace, timeout: timeout, stalled: outstanding == limits.window ? now : nil)
    }

    /// What the program has left has no more time: it is killed, or kept.
    mutating func endLinger() -> [Action] {
        linger = nil
        guard limits.keepsBackground, termination == nil else { return [.kill] }
        phase = .gone
        return [.detach, .seal]
    }

    /// Silence alone does not end it while something of it runs: on a busy machine a helper may be waiting for a processor.
    mutating func lingerPassed(now: UInt64) -> [Action] {
        guard let linger, outstanding < limits.window, now < min(linger.end, linger.timeout ?? .max) else {
            return endLinger()
        }
        return [.lookAtLeft]
    }

    mutating func lookedAtLeft(runs: Bool, now: UInt64) -> [Action] {
        guard linger != nil else { return [] }
        guard runs else { return endLinger() }
        lastOutput = now
        return []
    }

    /// Where no writer is left, there is nothing to wait for.
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

    /// There is no credit from now on, or there is again.
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
