// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthRPC
import NIOCore
import Pool
import Testing
import TestSupport

@testable import LoadTest

// One at a time: each measures.
@Suite("A load test, against servers on real sockets", .serialized)
struct LiveTests {
    private func plan(
        _ scenario: Scenario, _ address: ServerAddress, _ arrivals: LoadPlan.Arrivals = .closed(concurrency: 2),
        command: [String] = [], connections: Int = 1, duration: Duration = .milliseconds(400),
        warmup: Duration = .milliseconds(50), drain: Duration = .seconds(10)
    ) throws -> LoadPlan {
        try LoadPlan(
            scenario: scenario, arrivals: arrivals, server: address, command: command, cwd: "/tmp",
            connections: connections, duration: duration, warmup: warmup, drain: drain)
    }

    @Test("every scenario works, shows its steps, and leaves no lease behind", arguments: Scenario.allCases)
    func scenarios(_ scenario: Scenario) async throws {
        try await withLiveServer { address, fleet in
            let report = try await LoadTester(
                try plan(scenario, address, connections: 2, duration: .seconds(1), warmup: .zero)
            ).run()
            #expect(report.failures == [])
            #expect(report.total.count > 0)
            #expect(Set(report.operations.map(\.name)).isSubset(of: Set(scenario.shares.map(\.operation.rawValue))))
            for operation in report.operations {
                let steps = Set(operation.steps.map(\.name))
                switch operation.name {
                case "stats": #expect(steps == ["total"])
                case "acquire": #expect(steps.subtracting(["acquireWarm", "acquireWaited"]) == ["release", "total"])
                case "cycle":
                    #expect(steps.isSuperset(of: ["started", "end", "release", "total"]))
                    #expect(!steps.isDisjoint(with: ["acquireWarm", "acquireWaited"]))
                case "stream":
                    #expect(steps == ["started", "firstByte", "end", "total"])
                    #expect(operation.bytes >= 1 << 20)
                default: #expect(steps == ["started", "end", "total"])
                }
            }
            #expect(report.server.version == "berth/test")
            #expect(report.server.roundTrip?.count ?? 0 > 0)
            #expect(report.harness.costPerOperation > 0)
            #expect(report.harness.wakeDelay.count > 0)
            try await eventually("no lease is left") { fleet.leaseCount == 0 }
        }
    }

    @Test("a program that fails is a failure, named by how it ended")
    func failingProgram() async throws {
        try await withLiveServer { address, _ in
            let report = try await LoadTester(try plan(.run, address, command: ["sh", "-c", "exit 7"])).run()
            #expect(report.total.count == 0)
            #expect(report.failures.map(\.kind) == ["exit 7"])
            #expect(report.operations.first?.failed == report.failures.first?.count)
        }
    }

    @Test("code in a language runs in one call, and its exit code is that of the operation")
    func code() async throws {
        try await withLiveServer { address, fleet in
            for (text, kinds) in [("print(1)", []), ("import sys; print(1); sys.exit(9)", ["exit 9"])] {
                var plan = try plan(.run, address)
                plan.code = LoadPlan.Code(text, language: "python")
                let report = try await LoadTester(plan).run()
                #expect(report.failures.map(\.kind) == kinds)
                #expect((report.total.count > 0) == kinds.isEmpty)
                #expect(report.bytes > 0 && report.plan.command.last == text)
            }
            try await eventually("no lease is left") { fleet.leaseCount == 0 }
        }
    }

    @Test("an open loop does exactly the operations that are due")
    func openLoop() async throws {
        try await StubServer.with { address, _, _ in
            let arrivals = LoadPlan.Arrivals.open(rate: 300, spacing: .even, maxInFlight: 100)
            let report = try await LoadTester(
                try plan(.stats, address, arrivals, duration: .seconds(1), warmup: .milliseconds(200))
            ).run()
            // One more or less at each end, where the warm-up's first moment is not the schedule's.
            #expect((299...301).contains(report.total.count))
            #expect(report.unanswered == 0)
            #expect(report.operations.first?[.queue]?.count == report.total.count)
            #expect(report.plan.rate == 300)
        }
    }

    @Test(
        "a stall of the server shows in every operation that it delayed, even when only one may be in flight",
        arguments: [1, 100])
    func stall(_ maxInFlight: Int) async throws {
        try await StubServer.with(.stall(after: 40, duration: .milliseconds(500))) { address, _, _ in
            let arrivals = LoadPlan.Arrivals.open(rate: 200, spacing: .even, maxInFlight: maxInFlight)
            let report = try await LoadTester(
                try plan(.stats, address, arrivals, duration: .seconds(1), warmup: .zero)
            ).run()
            #expect((199...201).contains(report.total.count))
            // About 100 of the 200 were due in the stall, a tenth of them in its first tenth of a second.
            #expect(report.total.p90 > 250_000_000)
            #expect(report.total.max > 450_000_000)
        }
    }

    @Test("the same stall is a single slow operation to a closed loop, which waits for it")
    func closedStall() async throws {
        try await StubServer.with(.stall(after: 40, duration: .milliseconds(500))) { address, _, _ in
            let report = try await LoadTester(
                try plan(.stats, address, .closed(concurrency: 1), duration: .seconds(1), warmup: .zero)
            ).run()
            #expect(report.total.max > 450_000_000)
            #expect(report.total.p90 < 250_000_000)
        }
    }

    @Test("operations that get no answer are given up after the drain time, and count with the time they waited")
    func noAnswer() async throws {
        try await StubServer.with(.never(after: 10)) { address, _, _ in
            let report = try await LoadTester(
                try plan(.stats, address, .closed(concurrency: 4), warmup: .zero, drain: .milliseconds(50))
            ).run()
            #expect(report.unanswered == 4)
            #expect(report.total.max > 300_000_000)
            #expect(report.failures == [])
        }
        try await StubServer.with(.never(after: 10)) { address, _, _ in
            let arrivals = LoadPlan.Arrivals.open(rate: 1000, spacing: .random, maxInFlight: 3)
            let report = try await LoadTester(
                try plan(.stats, address, arrivals, warmup: .zero, drain: .milliseconds(50))
            ).run()
            // Some 400 were due; three hang, the others could not begin.
            #expect(report.unanswered > 200)
            #expect(report.total.count == report.completed + report.unanswered)
            #expect(report.total.p50 > 100_000_000)
        }
    }

    @Test("a test that is stopped early reports what there is")
    func stopped() async throws {
        try await StubServer.with { address, stub, _ in
            let test = LoadTester(try plan(.stats, address, duration: .seconds(600), warmup: .zero))
            let stopper = Task {
                try await eventually("the test is under way") { stub.calls > 20 }
                test.stop()
            }
            let report = try await test.run()
            try await stopper.value
            #expect(report.endedEarly)
            #expect(report.seconds < 60)
            #expect(report.completed > 0)
        }
    }

    @Test("a server that goes away in the middle is counted as unavailable, and not asked ever faster")
    func serverGone() async throws {
        try await StubServer.with { address, stub, rpc in
            let test = LoadTester(try plan(.stats, address, duration: .seconds(1), warmup: .zero))
            let closer = Task {
                try await eventually("the test is under way") { stub.calls > 20 }
                await rpc.close()
            }
            let report = try await test.run()
            try await closer.value
            #expect(report.total.count > 0)
            #expect(report.failures.map(\.kind) == ["unavailable"])
            // Two workers, each with a pause of 10 ms after a failure.
            #expect(report.failed <= 210)
        }
    }

    @Test("no server, and an unknown pool, are said before anything begins")
    func noServer() async throws {
        let address = try await freeAddress()
        let error = await #expect(throws: LoadError.self) {
            try await LoadTester(try plan(.stats, address)).run()
        }
        #expect(error?.message.contains("no Berth server at \(address)") ?? false)
        try await StubServer.with { address, _, _ in
            var plan = try plan(.stats, address)
            plan.pool = "nope"
            let error = await #expect(throws: LoadError.self) { try await LoadTester(plan).run() }
            #expect(error?.message == "there is no pool \"nope\"; there is: default")
        }
    }

    @Test("progress is told while it lasts: warm-up, then measuring, then the end")
    func progress() async throws {
        try await StubServer.with { address, _, _ in
            let seen = Seen()
            let test = LoadTester(try plan(.stats, address, duration: .milliseconds(1500), warmup: .milliseconds(1200)))
            _ = try await test.run { seen.add($0) }
            let stages = seen.all.map(\.stage)
            #expect(stages.first == .warmup)
            #expect(stages.contains(.measuring))
            #expect(stages.last == .draining)
            let measuring = try #require(seen.all.first { $0.stage == .measuring })
            #expect(measuring.rate > 0)
            #expect(measuring.p50 > 0)
            #expect(measuring.idle == 2)
            #expect(measuring.line.contains("2 warm"))
        }
    }

    @Test(
        "the pool's state over time is told by WatchStats, and asked for where a server has none", arguments: [nil, 7])
    func poolState(_ watched: UInt32?) async throws {
        try await StubServer.with(watched: watched) { address, _, _ in
            let report = try await LoadTester(try plan(.stats, address, duration: .seconds(1))).run()
            #expect(report.pool.count > 2)
            // Stats says 2.
            #expect(Set(report.pool.map(\.idle)) == [watched ?? 2])
            #expect(report.failures == [])
        }
    }

    /// An address on which nobody listens.
    private func freeAddress() async throws -> ServerAddress {
        var free = ServerAddress.standard
        try await StubServer.with { address, _, _ in free = address }
        return free
    }
}
