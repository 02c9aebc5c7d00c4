// SPDX-License-Identifier: Apache-2.0

import GatedLog
import Logging
import Pool
import Service
import Testing
import TestSupport

@Suite("What goes on, and what clients can bring about again and again, does not fill the log")
struct LogGateTests {
    @Test("B11: a condition is logged when it begins, then every 30 s with a count, and when it has ended")
    func condition() async throws {
        let lines = LoggedLines()
        let clock = ManualClock()
        let gate = LogGate(lines.logger, clock: clock)
        for _ in 0..<1000 { gate.log(.warning, "it is held", subject: "a", metadata: [:]) }
        gate.log(.warning, "it is held", subject: "b", metadata: [:])
        #expect(lines.all == ["it is held", "it is held"])
        try await eventually("both wait") { clock.sleeperCount == 2 }
        clock.advance(by: LogGate.interval)
        try await eventually("a count") { lines.all.count == 3 }
        #expect(lines.all.last == "it is held 999")
        try await eventually("one waits on") { clock.sleeperCount == 1 }
        clock.advance(by: LogGate.interval)
        try await eventually("an end") { lines.all.count == 4 }
        #expect(lines.all.last == "it has ended 1000")
        gate.log(.warning, "it is held", subject: "a", metadata: [:])
        #expect(lines.all.count == 5, "it begins anew")
    }

    @Test("B11: a client that acquires what is not to be had a thousand times writes one line")
    func refusedAcquires() async throws {
        let lines = LoggedLines()
        let clock = ManualClock()
        let log = PoolLog(lines.logger, clock: clock)
        for _ in 0..<1000 { log.record(.held(pool: "default", .poolMax(1))) }
        #expect(lines.all.count == 1)
    }
}
