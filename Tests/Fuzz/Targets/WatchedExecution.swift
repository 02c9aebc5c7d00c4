// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import NIOCore
import Synchronization

@testable import AgentLink

/// The events of one execution on the server's side, each measured by what they promise to those who come after.
final class WatchedExecution: Sendable {
    private struct Seen {
        var execution: Execution?
        var hasStarted = false
        var ends = 0
        var offsets: [UInt64] = [0, 0]
        /// Passed on, and not acknowledged.
        var unacknowledged: UInt64 = 0
        var broken: String?
    }

    private let seen = Mutex(Seen())
    /// Whether what comes is acknowledged at once, in the middle of its delivery.
    private let acknowledges: Bool

    init(acknowledges: Bool) {
        self.acknowledges = acknowledges
    }

    var execution: Execution? {
        get { seen.withLock { $0.execution } }
        set { seen.withLock { $0.execution = newValue } }
    }

    /// The rule that was broken; nil: none.
    var broken: String? { seen.withLock { $0.broken } }
    /// Ends that have come.
    var ends: Int { seen.withLock { $0.ends } }

    func receive(_ event: ExecutionEvent) {
        do throws(Broken) {
            try check(event)
        } catch {
            seen.withLock { $0.broken = $0.broken ?? error.rule }
        }
        if acknowledges, case .output = event { acknowledge(.max) }
    }

    /// Gives credit back, for as much as was passed on at most: so does whatever sends output to clients.
    func acknowledge(_ most: UInt64) {
        let (execution, bytes) = seen.withLock { seen in
            let bytes = min(most, seen.unacknowledged)
            seen.unacknowledged -= bytes
            return (seen.execution, bytes)
        }
        execution?.acknowledge(Int(bytes))
    }

    private func check(_ event: ExecutionEvent) throws(Broken) {
        let before = seen.withLock { $0 }
        try require(before.ends == 0, "an event after the end: \(event)")
        switch event {
        case .started:
            try require(!before.hasStarted, "a second start")
            seen.withLock { $0.hasStarted = true }
        case .output(let chunk):
            try require(before.hasStarted, "output before the start")
            try require(chunk.stream < 2, "output on stream \(chunk.stream)")
            let next = before.offsets[Int(chunk.stream)]
            try require(chunk.offset == next, "output at offset \(chunk.offset) where \(next) was next")
            try require((1...32 << 10).contains(chunk.count), "\(chunk.count) bytes of output in one piece")
            let count = UInt64(chunk.count)
            try require(
                before.unacknowledged + count <= UInt64(AgentConnection.window),
                "\(before.unacknowledged + count) bytes passed on without credit")
            seen.withLock { seen in
                seen.offsets[Int(chunk.stream)] += count
                seen.unacknowledged += count
            }
        case .overdue, .refused: break
        case .ended:
            seen.withLock { $0.ends += 1 }
        }
    }
}
