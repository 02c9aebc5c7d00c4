// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import Glibc
import Testing
import TestSupport

@testable import AgentCore

/// Processes that hold a program's output after its end: helpers that still have some of it to write (`tee`), and
/// processes that are left running with `keepsBackground`. Items A1, A2 and G32.
@Suite("Output after the program's end")
struct LingerTests {
    private static let tee = "exec > >(tee /dev/null) 2>&1; seq 3000; echo LAST"
    private static let whole = (1...3000).map { "\($0)\n" }.joined() + "LAST\n"

    private func withGrace(
        _ milliseconds: UInt64 = 100, max: UInt64 = 1000,
        _ change: @escaping (inout Agent.ExecuteRequest) -> Void = { _ in }
    ) -> (inout Agent.ExecuteRequest) -> Void {
        {
            $0.outputGraceMilliseconds = milliseconds
            $0.outputGraceMaxMilliseconds = max
            change(&$0)
        }
    }

    @Test("what a helper of the program's own still has in hand is not lost", arguments: AgentProcess.Way.allCases)
    func helper(way: AgentProcess.Way) throws {
        let agent = try AgentProcess(way)
        for _ in 0..<50 {
            let outcome = try agent.run(["bash", "-c", LingerTests.tee], withGrace())
            #expect(outcome.text == LingerTests.whole)
            #expect(outcome.ended.exitCode == 0)
        }
    }

    @Test(
        "a helper loses nothing to a reader who lets it wait for longer than the grace",
        arguments: AgentProcess.Way.allCases)
    func slowReader(way: AgentProcess.Way) throws {
        let agent = try AgentProcess(way)
        let script = "exec > >(cat); head -c 400000 /dev/zero"
        let change = withGrace(20, max: 40) { $0.windowBytes = 10_000 }
        let started = try agent.start(["bash", "-c", script], change)
        var count = 0
        var unacknowledged = 0
        var ended: Agent.Ended?
        while let event = try agent.event(started.streamID, within: 60) {
            switch event {
            case .output(let output):
                count += output.data.count
                unacknowledged += output.data.count
                guard unacknowledged == 10_000 else { break }
                if count > 200_000 && count < 400_000 {
                    // For longer than both of its times nothing comes, since there is no credit.
                    #expect(try agent.frameIfAny(of: started.streamID, within: 60) == nil)
                }
                try agent.acknowledge(started.execution, unacknowledged)
                unacknowledged = 0
            case .ended(let end): ended = end
            default: break
            }
        }
        #expect(count == 400_000)
        #expect(ended?.stdoutBytes == 400_000)
    }

    @Test("a silent child costs no more than the grace, and is then killed", arguments: AgentProcess.Way.allCases)
    func silentChild(way: AgentProcess.Way) throws {
        let agent = try AgentProcess(way)
        var outcome: AgentProcess.Outcome?
        let took = try ContinuousClock().measure {
            outcome = try agent.run(shell: "sleep 1000 & echo $!; exit 6", withGrace(100, max: 20_000))
        }
        #expect(took > .milliseconds(99) && took < .seconds(5))
        #expect(outcome?.ended.exitCode == 6)
        #expect(outcome?.ended.cause == .exited)
        #expect(!agent.isThere(try #require(Int32((outcome?.text ?? "").dropLast()))))
    }

    @Test("a child that goes on writing has the time in all", arguments: AgentProcess.Way.allCases)
    func writingChild(way: AgentProcess.Way) throws {
        let agent = try AgentProcess(way)
        let took = try ContinuousClock().measure {
            let script = "(while :; do echo on; sleep 0.01; done) & exit 3"
            let outcome = try agent.run(shell: script, withGrace(10_000, max: 300))
            #expect(outcome.ended.exitCode == 3)
            #expect(outcome.text.hasPrefix("on\non\n"))
        }
        #expect(took > .milliseconds(299) && took < .seconds(5))
    }

    @Test("children that have no output of the program's are not waited for", arguments: AgentProcess.Way.allCases)
    func closed(way: AgentProcess.Way) throws {
        let agent = try AgentProcess(way)
        let took = try ContinuousClock().measure {
            let script = "sleep 1000 > /dev/null 2>&1 & exit 3"
            let outcome = try agent.run(shell: script, withGrace(20_000, max: 20_000))
            #expect(outcome.ended.exitCode == 3)
        }
        #expect(took < .seconds(10))
    }

    @Test(
        "a cancel, and the program's time-out, end the wait for what it has left", arguments: AgentProcess.Way.allCases)
    func cut(way: AgentProcess.Way) throws {
        let agent = try AgentProcess(way)
        let took = try ContinuousClock().measure {
            let timed = try agent.run(
                shell: "sleep 1000 & exit 3", withGrace(20_000, max: 20_000) { $0.timeoutMilliseconds = 3000 })
            #expect(timed.ended.cause == .exited, "it ended by itself before")
            #expect(timed.ended.exitCode == 3)
            let started = try agent.start(shell: "sleep 1000 & echo on; exit 3", withGrace(20_000, max: 20_000))
            _ = try agent.stdout(started, count: 3)
            try agent.signal(started.execution, 0)
            _ = try agent.finish(started, stdoutFrom: 3)
        }
        #expect(took < .seconds(10))
    }

    @Test("what comes late is not lost at a terminal either", arguments: AgentProcess.Way.allCases)
    func terminal(way: AgentProcess.Way) throws {
        let agent = try AgentProcess(way)
        // Who leads a terminal's session takes the others with it by SIGHUP, if they let it.
        let script = "trap '' HUP; (sleep 0.05; seq 300; echo LAST) & exit 4"
        for _ in 0..<10 {
            let outcome = try agent.run(
                shell: script, withGrace(10_000, max: 10_000) { $0.terminal = Agent.Terminal() })
            #expect(outcome.text == (1...300).map { "\($0)\r\n" }.joined() + "LAST\r\n")
            #expect(outcome.ended.exitCode == 4)
        }
    }

    // MARK: What is kept

    @Test("what is left running may go on writing, however much, and is neither killed nor held up")
    func keptWriter() async throws {
        let agent = try AgentProcess()
        let folder = try temporaryDirectory("kept")
        defer { for path in ["\(folder)/done", folder] { remove(path) } }
        let script =
            "(trap 'exit 9' PIPE; sleep 0.3; head -c 3000000 /dev/zero && echo >&2 && : > \(folder)/done; sleep 1000) &"
        let outcome = try agent.run(shell: script + "echo first", withGrace(10) { $0.keepsBackground = true })
        #expect(outcome.text == "first\n")
        try await eventually("all of it is written") { access("\(folder)/done", F_OK) == 0 }
        #expect(try agent.run(["true"]).ended.exitCode == 0)
    }

    @Test("at a terminal, too, what is left running may go on writing")
    func keptAtTerminal() async throws {
        let agent = try AgentProcess()
        let folder = try temporaryDirectory("kept")
        defer { for path in ["\(folder)/done", folder] { remove(path) } }
        let script = "trap '' HUP; (sleep 0.3; seq 30000 && : > \(folder)/done; sleep 1000) & echo first"
        let change = withGrace(10) {
            $0.keepsBackground = true
            $0.terminal = Agent.Terminal()
        }
        #expect(try agent.run(shell: script, change).text == "first\r\n")
        try await eventually("all of it is written") { access("\(folder)/done", F_OK) == 0 }
    }

    @Test("a program that leaves nothing takes no place of those that do, however many there are")
    func keptNothing() throws {
        let agent = try AgentProcess()
        for round in 0..<400 {
            // With and without something that lives on for a moment.
            let script = round % 4 == 0 ? "(exec > /dev/null 2>&1; sleep 0.0$RANDOM) & exit 0" : "exit 0"
            let ended = try agent.run(["bash", "-c", script], withGrace(1) { $0.keepsBackground = true }).ended
            #expect(ended.cause == .exited && ended.exitCode == 0, "round \(round)")
        }
    }
}
