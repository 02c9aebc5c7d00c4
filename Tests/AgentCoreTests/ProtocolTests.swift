// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import BerthWire
import Foundation
import Glibc
import Testing
import TestSupport

@Suite("The agent's side of the wire")
struct ProtocolTests {
    private func status(_ agent: AgentProcess, _ method: String, _ message: some Message) throws -> Int32? {
        try agent.call(method, message).status?.code
    }

    @Test("calls that ask for what is not there, or not allowed, are answered with a status")
    func refusals() throws {
        let agent = try AgentProcess()
        let running = try agent.start(["sleep", "1000"])
        #expect(try agent.response(agent.open("Nothing", [])).status?.code == 12)
        #expect(try agent.response(agent.open("Ping", [], service: "x.Y")).status?.code == 12)
        #expect(try agent.response(agent.open("Execute", [0xff])).status?.code == 3)
        #expect(try status(agent, "Acknowledge", Agent.AcknowledgeRequest(execution: 99, bytes: 1)) == 5)
        #expect(try status(agent, "Acknowledge", Agent.AcknowledgeRequest(execution: running.execution, bytes: 1)) == 3)
        #expect(try status(agent, "Signal", Agent.SignalRequest(execution: 99, signal: 9)) == 5)
        #expect(try status(agent, "Signal", Agent.SignalRequest(execution: running.execution, signal: 65)) == 3)
        let good = Agent.ExecuteRequest(execution: 77, argv: ["true"], env: [], cwd: "/")
        for change: (inout Agent.ExecuteRequest) -> Void in [
            { $0.execution = 0 }, { $0.execution = running.execution }, { $0.argv = [] }, { $0.argv = [""] },
            { $0.cwd = "relative" }, { $0.windowBytes = 0 },
        ] {
            var request = good
            change(&request)
            #expect(try status(agent, "Execute", request) == 3)
        }
    }

    @Test("frames that break the rules are answered, and the stream goes on")
    func frames() throws {
        let agent = try AgentProcess()
        let running = try agent.start(["sleep", "1000"])
        guard case .started = try agent.event(running.streamID) else { throw AgentProcess.StreamEnded() }
        try agent.send([], .request, streamID: 2)
        #expect(try agent.response(2).status?.code == 3)
        try agent.send([1], .data, streamID: 4001)
        #expect(try agent.response(4001).status?.code == 3)
        try agent.send([], .request, streamID: running.streamID)
        #expect(try agent.response(running.streamID).status?.code == 3)
        try agent.send([1, 2, 3], FrameType(rawValue: 77), streamID: 4003)
        try agent.send([1, 2, 3], .data, streamID: running.streamID)
        try agent.send([0xff, 0xff], .request, streamID: 4005)
        #expect(try agent.response(4005).status?.code == 3)
        try agent.send([UInt8](repeating: 0, count: 5 << 20), .request, streamID: 4007)
        #expect(try agent.response(4007).status?.code == 8)
        #expect(try agent.run(["echo", "still here"]).text == "still here\n")
    }

    @Test("64 executions run at once; one more is refused until one has ended")
    func limit() throws {
        let agent = try AgentProcess()
        let running = try (0..<64).map { _ in try agent.start(["sleep", "1000"]) }
        do {
            _ = try agent.run(["true"])
            Issue.record("the 65th ran")
        } catch let refused as AgentProcess.Refused {
            #expect(refused.status?.code == 8)
        }
        for started in running {
            try agent.open("Signal", Agent.SignalRequest(execution: started.execution, signal: 0).encoded())
        }
        for started in running { #expect(try agent.finish(started).ended.cause == .cancelled) }
        #expect(try agent.run(["true"]).ended.exitCode == 0)
    }

    @Test("an environment of the image that is too large for an answer is refused, and does no harm")
    func largeEnvironment() throws {
        let agent = try AgentProcess(wrapper: ["env", "LARGE=" + String(repeating: "x", count: 100_000)])
        for _ in 0..<2 {
            let answer = try agent.call("Ping", Agent.PingRequest())
            #expect(answer.status?.code == 8)
            #expect(answer.status?.message.contains("at most 31744 are taken") == true, "\(answer.status as Any)")
        }
        #expect(try agent.run(["echo", "on"]).text == "on\n")
    }

    @Test("no input crashes the agent or outlives it", arguments: [UInt64(1), 2, 3, 4, 5, 6, 7, 8])
    func fuzz(seed: UInt64) throws {
        try frames(seed: seed)
    }

    /// BERTH_TEST_FUZZ_SECONDS=600 searches for longer than the usual time.
    @Test("nor does any of another seed, for as long as is asked")
    func longFuzz() throws {
        let seconds = ProcessInfo.processInfo.environment["BERTH_TEST_FUZZ_SECONDS"].flatMap(Double.init) ?? 2
        let end = ContinuousClock.now + .seconds(seconds)
        var rounds = 0
        while ContinuousClock.now < end {
            try frames(seed: .random(in: 0 ... .max))
            rounds += 1
        }
        print("\(rounds) rounds")
        #expect(rounds > 0)
    }

    private func frames(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        print("seed \(seed)")
        let agent = try AgentProcess()
        let valid: [(String, [UInt8])] = [
            ("Ping", []), ("Signal", Agent.SignalRequest(execution: 1, signal: 9).encoded()),
            ("Acknowledge", Agent.AcknowledgeRequest(execution: 1, bytes: 3).encoded()),
            (
                "Execute",
                Agent.ExecuteRequest(execution: 1, argv: ["/bin/true"], uid: getuid(), gid: getgid()).encoded()
            ),
            (
                "Execute",
                Agent.ExecuteRequest(
                    execution: 2, argv: ["/bin/cat"], uid: getuid(), gid: getgid(), timeoutMilliseconds: 1000,
                    keepsStdinOpen: true, terminal: Agent.Terminal(rows: 3, columns: 4), maxOutputBytes: 5,
                    idleTimeoutMilliseconds: 500, cpuTimeMilliseconds: 600, keepsBackground: true
                ).encoded()
            ),
            ("Input", Agent.InputRequest(execution: 2, offset: 0, data: [10, 11, 12], isEnd: false).encoded()),
            (
                "Resize",
                Agent.ResizeRequest(execution: 2, terminal: Agent.Terminal(rows: 9, columns: 9)).encoded()
            ),
        ]
        for _ in 0..<400 {
            guard let (method, payload) = valid.randomElement(using: &random) else { continue }
            var data = Request(service: AgentService.name, method: method, payload: payload).encoded()
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                data[Int.random(in: 0..<data.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            let type =
                Bool.random(using: &random)
                ? FrameType.request : FrameType(rawValue: .random(in: 0...5, using: &random))
            let flags = FrameFlags(rawValue: UInt8.random(in: 0...255, using: &random))
            try agent.send(data, type, flags: flags, streamID: UInt32.random(in: 0...63, using: &random))
        }
        let ping = try agent.open("Ping", [])
        #expect(try agent.response(ping).status == nil)
        try agent.send(raw: (0..<5000).map { _ in UInt8.random(in: 0...255, using: &random) })
        agent.closeStream()
        #expect(agent.waitForExit(within: 10))
    }
}
