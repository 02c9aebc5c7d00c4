// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema

/// The differences for a piece of code: its interpreter reports its end, and it has events in addition to output.
extension ExecutionStateMachine {
    /// Maximum bytes of an event that may be sent now.
    var eventIntake: Int {
        phase == .running ? Int(clamping: min(limits.window - outstanding, UInt64(SendBuffer.maxChunk))) : 0
    }

    mutating func didSendEvent(_ count: Int, now: UInt64) {
        outstanding += UInt64(count)
        eventBytes += UInt64(count)
        lastOutput = now
    }

    /// The time from the request until `now`, in nanoseconds.
    func time(until now: UInt64) -> UInt64 { now - min(requested ?? now, now) }

    /// Ends the piece, because its interpreter has ended.
    mutating func contextIsGone() -> [Action] {
        phase = .ended
        due = nil
        startLook = nil
        return [.sendEnded(Agent.Ended(cause: .contextLost, message: "the context has ended", isContextLost: true))]
    }

    /// Must be called when its interpreter is being ended, and the piece with it.
    mutating func contextCloses() {
        guard phase == .starting || phase == .running, termination == nil else { return }
        termination = .cancelled
        cause = cause ?? .cancelled
        lossWords = "its context was closed"
        due = nil
    }

    /// Text to append to the cause: the interpreter was lost with the piece.
    var wordsForLoss: String {
        if cause == .cancelled {
            return lossWords ?? "it did not stop when it was interrupted, and its context is lost"
        }
        return "; it did not stop within \(Limits.text(limits.grace)) of being interrupted, and its context is lost"
    }
}
