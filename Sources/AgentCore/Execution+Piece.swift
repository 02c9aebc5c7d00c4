// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema

/// What is different for a piece of code: its interpreter says when it has ended, and has events beside output.
extension Execution {
    /// Bytes of an event that may be sent now.
    var eventIntake: Int {
        phase == .running ? Int(clamping: min(limits.window - outstanding, UInt64(SendBuffer.maxChunk))) : 0
    }

    mutating func didSendEvent(_ count: Int, now: UInt64) {
        outstanding += UInt64(count)
        eventBytes += UInt64(count)
        lastOutput = now
    }

    /// Nanoseconds since it was asked for.
    func time(until now: UInt64) -> UInt64 { now - min(requested ?? now, now) }

    /// There is no interpreter to run it.
    mutating func contextIsGone() -> [Action] {
        phase = .ended
        due = nil
        startLook = nil
        return [.sendEnded(Agent.Ended(cause: .contextLost, message: "the context has ended", isContextLost: true))]
    }

    /// Its interpreter is being ended, and it with that.
    mutating func contextCloses() {
        guard phase == .starting || phase == .running, termination == nil else { return }
        termination = .cancelled
        cause = cause ?? .cancelled
        lossWords = "its context was closed"
        due = nil
    }

    /// Behind why it was ended: that its interpreter went with it.
    var wordsForLoss: String {
        if cause == .cancelled {
            return lossWords ?? "it did not stop when it was interrupted, and its context is lost"
        }
        return "; it did not stop within \(Limits.text(limits.grace)) of being interrupted, and its context is lost"
    }
}
