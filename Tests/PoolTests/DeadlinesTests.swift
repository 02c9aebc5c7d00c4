// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TestSupport
import Testing

@testable import Pool

@Suite("Deadlines: many times to act at, one task that sleeps")
struct DeadlinesTests {
    let clock = ManualClock()
    let rung = Rung()

    final class Rung: Sendable {
        private let list = Mutex<[String]>([])
        var names: [String] { list.withLock { $0 } }
        func add(_ name: String) { list.withLock { $0.append(name) } }
    }

    private func add(_ name: String, after duration: Duration, to deadlines: Deadlines) -> Deadlines.ID {
        deadlines.add(at: clock.now() + duration) { [rung] in rung.add(name) }
    }

    @Test("each action is run once its time has come, the earlier first, whatever came first")
    func order() async throws {
        let deadlines = Deadlines(clock)
        _ = add("late", after: .seconds(30), to: deadlines)
        _ = add("early", after: .seconds(10), to: deadlines)
        _ = add("middle", after: .seconds(20), to: deadlines)
        try await eventually("one sleeps, until the earliest") { clock.sleeperCount == 1 }
        clock.advance(by: .seconds(10))
        try await eventually("the earliest") { rung.names == ["early"] }
        try await eventually("it sleeps on") { clock.sleeperCount == 1 }
        clock.advance(by: .seconds(60))
        try await eventually("all") { rung.names == ["early", "middle", "late"] }
    }

    @Test("one that is removed never acts; its sleeper goes on to the next")
    func removed() async throws {
        let deadlines = Deadlines(clock)
        let first = add("removed", after: .seconds(10), to: deadlines)
        _ = add("kept", after: .seconds(20), to: deadlines)
        deadlines.remove(first)
        try await eventually("it sleeps") { clock.sleeperCount == 1 }
        clock.advance(by: .seconds(10))
        try await eventually("it sleeps until the next") { clock.sleeperCount == 1 }
        #expect(rung.names.isEmpty)
        clock.advance(by: .seconds(10))
        try await eventually("the one that was kept") { rung.names == ["kept"] }
    }

    @Test("what is met costs nothing later: 100 000 that were added and removed leave a bounded rest")
    func bounded() async throws {
        let deadlines = Deadlines(clock)
        for _ in 0..<100_000 { deadlines.remove(add("met", after: .seconds(10), to: deadlines)) }
        #expect(deadlines.queuedCount <= 66)
        try await eventually("one sleeps for all of them") { clock.sleeperCount == 1 }
        clock.advance(by: .seconds(10))
        try await eventually("none is left") { deadlines.queuedCount == 0 && clock.sleeperCount == 0 }
        #expect(rung.names.isEmpty)
    }

    @Test("its sleeper ends with it")
    func end() async throws {
        var deadlines: Deadlines? = Deadlines(clock)
        if let deadlines { _ = add("never", after: .seconds(10), to: deadlines) }
        try await eventually("it sleeps") { clock.sleeperCount == 1 }
        deadlines = nil
        try await eventually("nobody sleeps") { clock.sleeperCount == 0 }
    }
}
