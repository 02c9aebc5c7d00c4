// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import Glibc
import Testing
import TestSupport

@Suite("Limits of an execution")
struct LimitTests {
    @Test("over its limit output is counted and not sent, each stream for itself, and the program notices nothing")
    func truncate() throws {
        let agent = try AgentProcess()
        let outcome = try agent.run(shell: "seq 1 100000; echo warning >&2; exit 3") { $0.maxOutputBytes = 5000 }
        #expect(outcome.ended.cause == .exited)
        #expect(outcome.ended.exitCode == 3)
        #expect(outcome.stdout.count == 5000)
        #expect(outcome.text.hasPrefix("1\n2\n3\n"))
        #expect(outcome.ended.stdoutBytes == 588_895)
        #expect(outcome.ended.stdoutTruncated == 583_895)
        #expect(outcome.errorText == "warning\n")
        #expect(outcome.ended.stderrTruncated == 0)
    }

    @Test("output over a limit that kills ends the program, after exactly as much as was allowed")
    func kill() throws {
        let agent = try AgentProcess()
        let outcome = try agent.run(["yes"]) {
            $0.maxOutputBytes = 100_001
            $0.killsAtMaxOutput = true
        }
        #expect(outcome.ended.cause == .outputLimit)
        #expect(outcome.ended.signal == SIGTERM)
        #expect(outcome.stdout.count == 100_001)
        #expect(outcome.ended.stdoutBytes - outcome.ended.stdoutTruncated == 100_001)
        let exact = try agent.run(["head", "-c", "100001", "/dev/zero"]) {
            $0.maxOutputBytes = 100_001
            $0.killsAtMaxOutput = true
        }
        #expect(exact.ended.cause == .exited)
        #expect(exact.ended.stdoutTruncated == 0)
    }

    @Test("a program that writes nothing for its idle time-out is ended; one that writes now and then is not")
    func idle() throws {
        let agent = try AgentProcess()
        let silent = try agent.run(shell: "echo on; sleep 1000") { $0.idleTimeoutMilliseconds = 150 }
        #expect(silent.ended.cause == .idleTimeout)
        #expect(silent.ended.message == "the program wrote nothing for 150 ms, its idle time-out")
        #expect(silent.text == "on\n")
        #expect(silent.ended.wallMicroseconds >= 150_000)
        let talking = try agent.run(shell: "for i in 1 2 3 4 5 6; do sleep 0.1; echo $i >&2; done") {
            $0.idleTimeoutMilliseconds = 2000
        }
        #expect(talking.ended.cause == .exited)
    }

    @Test("a program that waits for its reader is not idle")
    func idleWithoutCredit() throws {
        let agent = try AgentProcess()
        let started = try agent.start(["yes"]) {
            $0.windowBytes = 1000
            $0.idleTimeoutMilliseconds = 50
        }
        var seen = 0
        while seen < 1000 {
            if case .output(let output) = try agent.event(started.streamID) { seen += output.data.count }
        }
        #expect(try agent.frameIfAny(of: started.streamID, within: 200) == nil)
        try agent.signal(started.execution, 0)
        #expect(try agent.finish(started, stdoutFrom: 1000).ended.cause == .cancelled)
    }

    @Test("CPU time is that of everything the program started, reaped or not, and waiting costs none")
    func cpuTime() throws {
        let agent = try AgentProcess()
        for script in ["while :; do :; done", "while :; do (:); done", "(while :; do :; done) & wait"] {
            let ended = try agent.run(shell: script) {
                $0.cpuTimeMilliseconds = 300
                $0.timeoutMilliseconds = 20_000
            }.ended
            #expect(ended.cause == .cpuTimeLimit, "\(script)")
            #expect(ended.userMicroseconds + ended.systemMicroseconds >= 280_000, "\(script)")
            #expect(ended.userMicroseconds + ended.systemMicroseconds < 1_500_000, "\(script)")
        }
        let waiting = try agent.run(["sleep", "0.5"]) { $0.cpuTimeMilliseconds = 300 }
        #expect(waiting.ended.cause == .exited)
    }

    @Test("what a program leaves running lives on after its end where that was asked for, until the stream ends")
    func background() async throws {
        let agent = try AgentProcess()
        let outcome = try agent.run(shell: "sleep 1000 > /dev/null 2>&1 & echo $!; exit 4") {
            $0.keepsBackground = true
        }
        #expect(outcome.ended.exitCode == 4)
        let left = try #require(Int32(outcome.text.dropLast()))
        #expect(isThere(left))
        // Others come and go, and end as ever.
        #expect(try agent.run(shell: "sleep 1000 & exit 5").ended.exitCode == 5)
        #expect(isThere(left))
        agent.closeStream()
        #expect(agent.waitForExit(within: 5))
        try await eventually("process \(left) is gone") { !isThere(left) }
    }

    @Test("a program that is ended from outside leaves nothing, whatever was asked for")
    func backgroundOfCancelled() throws {
        let agent = try AgentProcess()
        let outcome = try agent.run(shell: "sleep 1000 & echo $!; wait") {
            $0.keepsBackground = true
            $0.timeoutMilliseconds = 300
        }
        #expect(outcome.ended.cause == .timedOut)
        #expect(!isThere(try #require(Int32(outcome.text.dropLast()))))
    }

    @Test("programs that leave something are bounded in number, and what has ended makes room")
    func backgroundBound() async throws {
        let agent = try AgentProcess()
        var left: [Int32] = []
        for _ in 0..<32 {
            let outcome = try agent.run(shell: "sleep 1000 > /dev/null 2>&1 & echo $!") { $0.keepsBackground = true }
            left.append(try #require(Int32(outcome.text.dropLast())))
        }
        func next() throws -> Bool {
            do {
                return try agent.run(["true"]) { $0.keepsBackground = true }.ended.cause == .exited
            } catch let refused as AgentProcess.Refused {
                #expect(refused.status?.code == 8)
                return false
            }
        }
        #expect(try !next())
        #expect(try agent.run(["true"]).ended.cause == .exited)
        Glibc.kill(left[7], SIGKILL)
        try await eventually("there is room again") { (try? next()) == true }
        for pid in left where pid != left[7] { #expect(isThere(pid)) }
    }
}
