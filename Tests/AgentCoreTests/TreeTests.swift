// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import Glibc
import Testing
import TestSupport

@Suite("Everything a program starts")
struct TreeTests {
    /// Starts a process that detaches itself as daemons do, and prints its process id on the first line.
    private static let daemon = "(setsid sh -c 'trap \"\" TERM HUP; echo $$; while :; do sleep 1000; done' &);"

    private func line(_ agent: AgentProcess, _ started: (execution: UInt64, streamID: UInt32)) throws -> (Int32, Int) {
        var text = ""
        while !text.hasSuffix("\n") { text += try agent.stdout(started, count: 1) }
        return (try #require(Int32(text.dropLast())), text.utf8.count)
    }

    @Test(
        "a daemon is gone when the end of a program that ended by itself arrives", arguments: AgentProcess.Way.allCases)
    func daemonAfterExit(way: AgentProcess.Way) throws {
        let agent = try AgentProcess(way)
        let outcome = try agent.run(shell: TreeTests.daemon + "sleep 0.2; exit 5")
        let pid = try #require(Int32(outcome.text.dropLast()))
        #expect(outcome.ended.exitCode == 5)
        #expect(!agent.isThere(pid))
    }

    @Test(
        "a daemon that ignores TERM is gone when the end of a timed-out program arrives",
        arguments: AgentProcess.Way.allCases)
    func daemonAfterTimeout(way: AgentProcess.Way) throws {
        let agent = try AgentProcess(way)
        let outcome = try agent.run(shell: TreeTests.daemon + "sleep 1000") {
            $0.timeoutMilliseconds = 1500
            $0.graceMilliseconds = 50
        }
        #expect(outcome.ended.cause == .timedOut)
        #expect(!agent.isThere(try #require(Int32(outcome.text.dropLast()))))
    }

    @Test("a background child that holds standard output does not delay the end", arguments: AgentProcess.Way.allCases)
    func backgroundChild(way: AgentProcess.Way) throws {
        let agent = try AgentProcess(way)
        let clock = ContinuousClock()
        let took = try clock.measure {
            let outcome = try agent.run(shell: "sleep 1000 & echo out; exit 6")
            #expect(outcome.text == "out\n")
            #expect(outcome.ended.exitCode == 6)
        }
        #expect(took < .seconds(5))
    }

    @Test("two executions at once each have a tree of their own", arguments: AgentProcess.Way.allCases)
    func twoTrees(way: AgentProcess.Way) throws {
        let agent = try AgentProcess(way)
        let first = try agent.start(shell: TreeTests.daemon + "sleep 1000")
        let second = try agent.start(shell: TreeTests.daemon + "sleep 1000")
        let (firstDaemon, firstCount) = try line(agent, first)
        let (secondDaemon, secondCount) = try line(agent, second)
        try agent.signal(first.execution, 0)
        #expect(try agent.finish(first, stdoutFrom: firstCount).ended.cause == .cancelled)
        #expect(!agent.isThere(firstDaemon))
        #expect(agent.isThere(secondDaemon))
        try agent.signal(second.execution, SIGTERM)
        #expect(try agent.finish(second, stdoutFrom: secondCount).ended.signal == SIGTERM)
        #expect(!agent.isThere(secondDaemon))
    }

    @Test("processes that fork and detach again and again do not get away", arguments: 1...3, AgentProcess.Way.allCases)
    func forkLoop(round: Int, way: AgentProcess.Way) throws {
        let agent = try AgentProcess(way)
        // Each generation leaves its session and its parent, and counts itself down so that a failing test ends too.
        let script = """
            import os, time
            os.write(1, b"x")
            for chain in range(4):
                if os.fork() == 0:
                    for generation in range(20000):
                        if os.fork(): os._exit(0)
                        os.setsid()
                    os._exit(0)
            time.sleep(0.1)
            """
        let clock = ContinuousClock()
        let marker = "BERTH_TEST_CHAIN=\(getpid())-\(round)-\(way)"
        let took = try clock.measure {
            let ended = try agent.run(["python3", "-c", script]) {
                $0.env = ["PATH=/usr/bin:/bin", SystemString(marker)]
            }.ended
            #expect(ended.cause == .exited)
        }
        #expect(took < .seconds(10))
        #expect(processes(withEnvironment: marker).isEmpty)
    }

    @Test(
        "the end of the stream kills everything", arguments: [AgentProcess.Stream.socket, .pipes],
        AgentProcess.Way.allCases)
    func streamEnd(stream: AgentProcess.Stream, way: AgentProcess.Way) async throws {
        let agent = try AgentProcess(stream, way)
        // Credit for ever: the daemon's line must come, however much yes has written by then.
        let started = try agent.start(shell: "trap '' TERM;" + TreeTests.daemon + "yes >&2") {
            $0.windowBytes = 1 << 40
        }
        var pids: [Int32] = []
        while pids.count < 2 {
            switch try agent.event(started.streamID) {
            case .started(let started): pids.append(Int32(started.pid))
            case .output(let output) where output.stream == 0:
                pids.append(try #require(Int32(String(decoding: output.data.dropLast(), as: UTF8.self))))
            default: break
            }
        }
        agent.closeStream()
        #expect(agent.waitForExit(within: 5))
        for pid in pids { try await eventually("process \(pid) is gone") { !agent.isThere(pid) } }
    }

    @Test("the death of the agent itself kills everything", arguments: AgentProcess.Way.allCases)
    func agentKilled(way: AgentProcess.Way) async throws {
        let agent = try AgentProcess(way)
        let started = try agent.start(shell: TreeTests.daemon + "sleep 1000")
        let (daemon, _) = try line(agent, started)
        kill(agent.pid, SIGKILL)
        #expect(agent.waitForExit(within: 5))
        try await eventually("the daemon is gone") { !agent.isThere(daemon) }
    }

    @Test("when a supervisor is killed, what it watched does not outlive the execution")
    func supervisorKilled() throws {
        let agent = try AgentProcess()
        let other = try agent.start(["sleep", "1000"])
        let started = try agent.start(shell: TreeTests.daemon + "sleep 1000")
        let (daemon, count) = try line(agent, started)
        let parent = try #require(parentOf(daemon))
        #expect(parentOf(parent) == agent.pid)
        kill(parent, SIGKILL)
        let ended = try agent.finish(started, stdoutFrom: count).ended
        #expect(ended.cause == .signalled)
        #expect(ended.message == "the program's supervisor was killed")
        #expect(!isThere(daemon))
        try agent.signal(other.execution, SIGTERM)
        #expect(try agent.finish(other).ended.signal == SIGTERM)
    }

    @Test("no zombie is left")
    func zombies() async throws {
        let agent = try AgentProcess()
        for _ in 0..<20 { _ = try agent.run(shell: "true & (sleep 0.001 &) ; exit 0") }
        try await eventually("the agent has no children") { !agent.hasChildren }
    }
}
