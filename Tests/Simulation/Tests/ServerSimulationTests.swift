// SPDX-License-Identifier: Apache-2.0

import Glibc
import ServerSimulation
import TestSupport
import Testing

/// The whole server above its sockets under one seed, and that its book would notice.
@Suite struct ServerSimulationTests {
    @Test func oneSeedGivesTheSameTraceTwiceInProcessesOfTheirOwn() throws {
        var traces: Set<String> = []
        for _ in 0..<2 {
            let (status, output) = try Self.simulate(["server", "4", "3000"])
            #expect(status == 0, "\(output)")
            let trace = try #require(output.split(separator: "trace ").last)
            traces.insert(String(trace))
        }
        #expect(traces.count == 1)
        let (_, other) = try Self.simulate(["server", "5", "3000"])
        #expect(other.split(separator: "trace ").last.map { !traces.contains(String($0)) } == true)
    }

    @Test func aServerKeepsItsRulesWhateverClientsMembersAndRuntimeDo() throws {
        // Fresh seeds are for `make simulate`.
        let (status, output) = try Self.simulate(["server", "6000", "60000"])
        #expect(status == 0, "\(output)")
        for what in [
            "ended: exited", "ended: timedOut", "ended: outOfMemory", "ended: cancelled", "ended: containerLost",
        ] {
            #expect(output.contains(what), "nothing \(what) in this story")
        }
    }

    /// That each is found is shown by `make simulate`, which is part of `make test`: it takes long without optimization.
    @Test func eachRuleOfTheServerHasACanary() {
        let rules = ServerCanary.allCases.reduce(into: Set<ServerRule>()) { $0.formUnion($1.rules) }
        #expect(rules == Set(ServerRule.allCases))
        #expect(ServerCanary.allCases.count >= 60)
    }

    /// A1, A2, A6, B8, G32 and G33 were found by use, before the server was simulated.
    @Test func faultsThatUseHasFoundAreFoundFromASeedNotSeenBefore() throws {
        let seed = UInt64.random(in: 0..<1_000_000_000)
        let (status, output) = try Self.simulate(["planted", "\(seed)", "100000"])
        #expect(status == 0, "\(output)")
        for name in ["a1", "a2", "a6", "b8", "g32", "g33"] {
            let isHeard = output.split(separator: "\n").contains {
                $0.hasPrefix("simulate: \(name)") && $0.contains("was heard")
            }
            #expect(isHeard, "\(name), seed \(seed): \(output)")
        }
    }

    @Test func aStoryThatBreaksARuleIsMadeShort() throws {
        var simulation = ServerSimulation()
        simulation.canary = .outputIsLost
        let failure = #expect(throws: ServerSimulation.Failure.self) { try simulation.run(seed: 1, steps: 100_000) }
        // A connection, who calls on it, an execution, the time that it takes, and what else that story needs.
        let short = try #require(failure)
        #expect(short.story.count <= 30)
        #expect(short.length > short.story.count)
    }

    private static func simulate(_ arguments: [String]) throws -> (Int32, String) {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        defer { close(ends[0]) }
        let child: ChildProcess
        do {
            defer { close(ends[1]) }
            child = try ChildProcess(
                BuildProducts.program("simulate"), arguments, output: ends[1])
        }
        var output: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while case let count = read(ends[0], &buffer, buffer.count), count > 0 { output += buffer[..<count] }
        return (child.wait(), String(decoding: output, as: UTF8.self))
    }
}
