// SPDX-License-Identifier: Apache-2.0

import Testing
import TestSupport

@testable import LoadTest

@Suite("When an open loop's operations begin")
struct ScheduleTests {
    private func times(_ schedule: ArrivalSchedule) -> [Nanoseconds] {
        var schedule = schedule
        var times: [Nanoseconds] = []
        while let next = schedule.next {
            times.append(next)
            schedule.take()
        }
        return times
    }

    @Test("even operations are the same distance apart, and none is due at the end or later")
    func even() {
        let schedule = ArrivalSchedule(begin: 1000, end: 1000 + 1_000_000_000, rate: 4, spacing: .even)
        #expect(times(schedule) == [1000, 250_001_000, 500_001_000, 750_001_000])
    }

    @Test("rounding does not add up: after a million operations at 3 a second the next is still on time")
    func noDrift() {
        var schedule = ArrivalSchedule(begin: 0, end: .max / 4, rate: 3, spacing: .even)
        for _ in 0..<1_000_000 { schedule.take() }
        #expect(schedule.next == 333_333_333_333_333)
    }

    @Test("random operations come at the asked rate, with exponential distances, the same each time")
    func random() {
        let schedule = ArrivalSchedule(begin: 0, end: 100_000_000_000, rate: 1000, spacing: .random, seed: 7)
        let all = times(schedule)
        // 100 000 expected; the deviation of a Poisson process is the root of it, 316.
        #expect(abs(all.count - 100_000) < 1600)
        let gaps = zip(all, all.dropFirst()).map { Double($1 - $0) }
        let mean = gaps.reduce(0, +) / Double(gaps.count)
        let variance = gaps.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(gaps.count)
        // An exponential distribution's deviation is its mean.
        #expect(abs(variance.squareRoot() / mean - 1) < 0.02)
        #expect(times(schedule) == all)
    }

    private func queue(workers: Int, end: Nanoseconds = 100) -> ArrivalQueue {
        // Due at 0, 10, 20, …
        ArrivalQueue(ArrivalSchedule(begin: 0, end: end, rate: 1e8, spacing: .even), workers: workers)
    }

    @Test("a worker waits until an operation is due, and gets it then")
    func onTime() {
        var queue = queue(workers: 1)
        #expect(queue.ask(0, now: 0) == .start(Arrival(index: 0, due: 0)))
        #expect(queue.ask(0, now: 4) == .wait)
        #expect(queue.nextAdvance == 10)
        #expect(queue.advance(to: 9).isEmpty)
        let started = queue.advance(to: 10)
        #expect(started.map(\.worker) == [0])
        #expect(started.map(\.arrival) == [Arrival(index: 1, due: 10)])
        #expect(queue.nextAdvance == nil)
        #expect(queue.longestBacklog == 0)
    }

    @Test("a stall leaves nothing out: every operation that fell due in it begins, counted from when it was due")
    func stall() {
        var queue = queue(workers: 1)
        #expect(queue.ask(0, now: 0) == .start(Arrival(index: 0, due: 0)))
        // The server answers at 95: operations 1 to 9 were due meanwhile.
        for index in 1...9 {
            #expect(queue.ask(0, now: 95) == .start(Arrival(index: UInt64(index), due: UInt64(index) * 10)))
        }
        #expect(queue.longestBacklog == 85)
        #expect(queue.ask(0, now: 96) == .finished)
    }

    @Test("an operation due while a worker is free is no backlog, however late the worker asks")
    func noBacklog() {
        var queue = queue(workers: 2)
        #expect(queue.ask(0, now: 55) == .start(Arrival(index: 0, due: 0)))
        #expect(queue.longestBacklog == 0)
    }

    @Test("what is never begun is told at the end, once, and only what was due by then")
    func unstarted() {
        var queue = queue(workers: 1)
        _ = queue.ask(0, now: 0)
        queue.close()
        #expect(queue.ask(0, now: 20) == .finished)
        var left: [Nanoseconds] = []
        queue.drainUnstarted(until: 35) { left.append($0.due) }
        #expect(left == [10, 20, 30])
        queue.drainUnstarted(until: 35) { left.append($0.due) }
        #expect(left.count == 3)
    }

    @Test("waiting workers are let go when the schedule ends, and when it is closed")
    func finished() {
        var ended = queue(workers: 3, end: 15)
        _ = ended.ask(0, now: 0)
        #expect(ended.ask(1, now: 1) == .wait)
        #expect(ended.ask(2, now: 1) == .wait)
        #expect(ended.takeFinished().isEmpty)
        #expect(ended.advance(to: 10).map(\.worker) == [2])
        #expect(ended.takeFinished() == [1])
        #expect(ended.takeFinished().isEmpty)

        var closed = queue(workers: 1)
        _ = closed.ask(0, now: 0)
        _ = closed.ask(0, now: 1)
        closed.close()
        #expect(closed.takeFinished() == [0])
    }

    @Test("whatever the workers do, each operation is handed out once, in order, never before it is due")
    func randomWalk() {
        var random = SeededGenerator(seed: UInt64.random(in: 0..<1_000_000))
        print("seed \(random.seed)")
        for _ in 0..<200 {
            let workers = Int.random(in: 1...5, using: &random)
            var queue = queue(workers: workers, end: 1000)
            var isFree = [Bool](repeating: true, count: workers)
            var isWaiting = [Bool](repeating: false, count: workers)
            var now: Nanoseconds = 0
            var handedOut: [Arrival] = []
            func start(_ worker: Int, _ arrival: Arrival) {
                #expect(arrival.due <= now)
                handedOut.append(arrival)
                isWaiting[worker] = false
                isFree[worker] = false
            }
            while now < 1000 {
                now += UInt64.random(in: 0...30, using: &random)
                let worker = Int.random(in: 0..<workers, using: &random)
                if !isWaiting[worker] {
                    switch queue.ask(worker, now: now) {
                    case .start(let arrival): start(worker, arrival)
                    case .wait: isWaiting[worker] = true
                    case .finished: break
                    }
                }
                if Bool.random(using: &random) {
                    for (worker, arrival) in queue.advance(to: now) {
                        #expect(isWaiting[worker])
                        start(worker, arrival)
                    }
                }
            }
            queue.drainUnstarted(until: 1000) { handedOut.append($0) }
            #expect(handedOut.map(\.index) == Array(0..<100))
            #expect(handedOut.map(\.due) == (0..<100).map { $0 * 10 })
        }
    }

    @Test("a mix has its shares, and the same operation at the same place each time")
    func mix() {
        var counts: [LoadTest.Operation: Int] = [:]
        for index in 0..<100_000 { counts[Scenario.mix.operation(at: UInt64(index)), default: 0] += 1 }
        for (operation, share) in Scenario.mix.shares {
            #expect(abs(counts[operation, default: 0] - Int(share) * 1000) < 800, "\(operation)")
        }
        #expect(Scenario.cycle.operation(at: 5) == .cycle)
    }
}
