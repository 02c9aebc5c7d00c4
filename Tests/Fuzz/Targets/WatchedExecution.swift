// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import NIOCore
import Synchronization

@testable import AgentLink

/// Receives the events of one execution on the side of the server, and checks their promises.
final class WatchedExecution: Sendable {
    private struct Seen {
        var execution: AgentExecution?
        var hasStarted = false
        var ends = 0
        var offsets: [UInt64] = [0, 0]
        /// Bytes that were received and not acknowledged.
        var unacknowledged: UInt64 = 0
        var broken: String?
    }

    private let seen = Mutex(Seen())
    /// Whether output is acknowledged at once, during its delivery.
    private let acknowledges: Bool

    init(acknowledges: Bool) {
        self.acknowledges = acknowledges
    }

    var execution: AgentExecution? {
        get { seen.withLock { $0.execution } }
        set { seen.withLock { $0.execution = newValue } }
    }

    /// The rule that was broken; nil if there is none.
    var broken: String? { seen.withLock { $0.broken } }
    /// Number of ends that have come.
    var ends: Int { seen.withLock { $0.ends } }

    func receive(_ event: ExecutionEvent) {
        do throws(Broken) {
            try check(event)
        } catch {
            seen.withLock { $0.broken = $0.broken ?? error.rule }
        }
        if acknowledges, case .output = event { acknowledge(.max) }
    }

    /// Acknowledges at most `most` of the received bytes, as the code that sends output to clients does.
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
            try require((1...64 << 10).contains(chunk.count), "\(chunk.count) bytes of output in one piece")
            let count = UInt64(chunk.count)
            try require(
                before.unacknowledged + count <= UInt64(AgentConnection.window),
                "\(before.unacknowledged + count) bytes passed on without credit")
            seen.withLock { seen in
                seen.offsets[Int(chunk.stream)] += count
                seen.unacknowledged += count
            }
        case .overdue, .refused, .outputEnded: break
        case .ended:
            seen.withLock { $0.ends += 1 }
        }
    }
}
