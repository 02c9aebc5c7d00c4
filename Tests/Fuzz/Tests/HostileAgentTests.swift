// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import Foundation
import NIOCore
import NIOPosix
import Pool
import Testing
import TestSupport

@testable import AgentLink

/// The same as `FromAgentTarget`, but with a real socket and real time: a connection as the pool makes it, with an
/// agent that sends anything. A seed repeats what is sent, but how it arrives depends on the kernel.
@Suite("A server whose agents have been taken over", .serialized)
struct HostileAgentTests {
    /// BERTH_TEST_FUZZ_SECONDS=600 searches for longer than the usual time.
    private static let seconds = Double(ProcessInfo.processInfo.environment["BERTH_TEST_FUZZ_SECONDS"] ?? "") ?? 2

    @Test("whatever they say, each program has one end, each call one answer, and the next connection goes on")
    func connections() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let (loop, clock) = (group.next(), group.next())
        let honest = try await AgentConnector(group: loop).connect(
            MemberID("honest"), MemberStream(socket: try ScriptedAgent(script: nil).socket)
        ) {}
        guard let neighbour = honest as? AgentConnection else { throw NeverHappened(description: "another link") }
        let scripts = try CorpusTests.inputs(of: .fromAgent)
        let end = ContinuousClock.now + .seconds(Self.seconds)
        var rounds = 0
        while ContinuousClock.now < end {
            let seed = UInt64.random(in: 0 ... .max)
            do {
                try await round(seed: seed, scripts.map(\.bytes), loop, clock)
                try await neighbour.ping()
            } catch {
                Issue.record("seed \(seed): \(error)")
                break
            }
            rounds += 1
        }
        print("HostileAgentTests.connections: \(rounds) rounds")
        #expect(rounds > 0)
        neighbour.close(.retired)
        try await group.shutdownGracefully()
    }

    private func round(
        seed: UInt64, _ scripts: [[UInt8]], _ loop: any EventLoop, _ clock: any EventLoop
    ) async throws {
        var random = SeededGenerator(seed: seed)
        // What led libFuzzer somewhere new is read here as the agent's part alone: another story, of the same words.
        var script = scripts.randomElement(using: &random) ?? []
        for _ in 0..<Int.random(in: 0...600, using: &random) { script.append(.random(in: 0...255, using: &random)) }
        let agent = try ScriptedAgent(script: script)
        let closed = loop.makePromise(of: Void.self)
        let link = try await AgentConnector(group: loop).connect(
            MemberID("taken-over"), MemberStream(socket: agent.socket)
        ) { closed.succeed(()) }
        guard let connection = link as? AgentConnection else { throw NeverHappened(description: "another link") }

        var pending = [closed.futureResult]
        var watched: [WatchedExecution] = []
        let calls = (0..<8).map { _ in (WatchedCall(), loop.makePromise(of: Void.self)) }
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let execution = WatchedExecution(acknowledges: Bool.random(using: &random))
            let ended = loop.makePromise(of: Void.self)
            var request = Agent.ExecuteRequest(execution: 0, argv: ["true"])
            request.maxOutputBytes = .random(in: 0...1, using: &random) * 100_000
            execution.execution = connection.execute(request) { event in
                execution.receive(event)
                if case .ended = event { ended.succeed(()) }
            }
            watched.append(execution)
            pending.append(ended.futureResult)
        }
        for (index, (call, answered)) in calls.enumerated() {
            guard let execution = watched[index % watched.count].execution else { continue }
            let answer: @Sendable () -> Void = {
                call.answered(nil)
                answered.succeed(())
            }
            if index % 2 == 0 {
                execution.resize(rows: 1, columns: 2) { _ in answer() }
            } else {
                execution.input(offset: UInt64(index), data: [1, 2, 3], isEnd: false) { _ in answer() }
            }
            pending.append(answered.futureResult)
        }
        async let ping: Void? = try? connection.ping()
        async let reset: Void? = try? connection.reset()
        try await all(pending, clock)
        _ = await (ping, reset)
        for execution in watched {
            if let broken = execution.broken { throw NeverHappened(description: broken) }
            guard execution.ends == 1 else { throw NeverHappened(description: "\(execution.ends) ends") }
            execution.execution = nil
        }
        for (call, _) in calls where call.answers != 1 {
            throw NeverHappened(description: "a call has \(call.answers) answers")
        }
        guard connection.openExecutions == 0 else { throw NeverHappened(description: "executions are still counted") }
    }

    /// Waits for all futures, which complete when the agent has closed the connection.
    private func all(_ futures: [EventLoopFuture<Void>], _ clock: any EventLoop) async throws {
        let done = clock.makePromise(of: Void.self)
        let late = clock.scheduleTask(in: .seconds(30)) {
            done.fail(NeverHappened(description: "30 s after its agent began, something still waits"))
        }
        EventLoopFuture.andAllSucceed(futures.map { $0.hop(to: clock) }, on: clock).cascade(to: done)
        try await done.futureResult.get()
        late.cancel()
    }
}
