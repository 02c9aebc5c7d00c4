// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import Glibc
import Testing
import TestSupport

@Suite("How an execution ends")
struct EndTests {
    @Test("every exit code from 0 to 255 is told as it is", arguments: AgentProcess.Way.allCases)
    func exitCodes(way: AgentProcess.Way) throws {
        let agent = try AgentProcess(way)
        for code in 0..<256 {
            let ended = try agent.run(shell: "exit \(code)").ended
            #expect(ended.cause == .exited)
            #expect(ended.exitCode == Int32(code))
            #expect(ended.signal == 0)
        }
    }

    @Test(
        "every signal that kills is told as it is",
        arguments: (1...64).filter {
            ![SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH, 32, 33].contains($0)
        }, AgentProcess.Way.allCases)
    func signals(number: Int32, way: AgentProcess.Way) throws {
        let agent = try AgentProcess(way)
        let started = try agent.start(["sleep", "1000"])
        guard case .started = try agent.event(started.streamID) else {
            Issue.record("no start")
            return
        }
        try agent.signal(started.execution, number)
        let ended = try agent.finish(started).ended
        #expect(ended.cause == .signalled)
        #expect(ended.signal == number)
        #expect(ended.exitCode == 0)
    }

    @Test("usage comes with the end", arguments: AgentProcess.Way.allCases)
    func usage(way: AgentProcess.Way) throws {
        let agent = try AgentProcess(way)
        let ended = try agent.run(shell: "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done").ended
        #expect(ended.wallMicroseconds > 0)
        #expect(ended.userMicroseconds + ended.systemMicroseconds > 1000)
        #expect(ended.peakMemoryBytes > 100_000)
    }

    @Test(
        "a program that ignores TERM is killed after its grace, and the end says timed out",
        arguments: AgentProcess.Way.allCases)
    func timeout(way: AgentProcess.Way) throws {
        let agent = try AgentProcess(way)
        let clock = ContinuousClock()
        var outcome: AgentProcess.Outcome?
        let took = try clock.measure {
            outcome = try agent.run(shell: "trap '' TERM; sleep 1000 & wait; sleep 1000") {
                $0.timeoutMilliseconds = 150
                $0.graceMilliseconds = 150
            }
        }
        #expect(outcome?.ended.cause == .timedOut)
        #expect(outcome?.ended.signal == SIGKILL)
        #expect(took > .milliseconds(299) && took < .seconds(10))
    }

    @Test(
        "a program may use its grace to end by itself; the cause stays the timeout",
        arguments: AgentProcess.Way.allCases)
    func grace(way: AgentProcess.Way) throws {
        let agent = try AgentProcess(way)
        let outcome = try agent.run(shell: "trap 'echo bye; exit 9' TERM; while :; do sleep 0.01; done") {
            $0.timeoutMilliseconds = 200
            $0.graceMilliseconds = 20_000
        }
        #expect(outcome.ended.cause == .timedOut)
        #expect(outcome.ended.exitCode == 9)
        #expect(outcome.text == "bye\n")
    }

    @Test(
        "the grace is also that of processes the program leaves when TERM ends it", arguments: AgentProcess.Way.allCases
    )
    func graceOfChildren(way: AgentProcess.Way) throws {
        let agent = try AgentProcess(way)
        let script = """
            sh -c 'trap "sleep 0.2; echo saved; exit" TERM; echo ready; while :; do sleep 0.01; done' & wait
            """
        let outcome = try agent.run(shell: script) {
            $0.timeoutMilliseconds = 300
            $0.graceMilliseconds = 20_000
        }
        #expect(outcome.ended.cause == .timedOut)
        #expect(outcome.text == "ready\nsaved\n")
    }

    @Test("signal 0 ends the execution: cancelled", arguments: AgentProcess.Way.allCases)
    func cancel(way: AgentProcess.Way) throws {
        let agent = try AgentProcess(way)
        let started = try agent.start(shell: "echo on; sleep 1000")
        _ = try agent.stdout(started, count: 3)
        try agent.signal(started.execution, 0, grace: 5000)
        let ended = try agent.finish(started, stdoutFrom: 3).ended
        #expect(ended.cause == .cancelled)
        #expect(ended.signal == SIGTERM)
    }

    @Test(
        "when nobody acknowledges the output of a program that has exited, a cancel ends it, and counts the lost bytes",
        arguments: AgentProcess.Way.allCases)
    func cancelWithoutCredit(way: AgentProcess.Way) async throws {
        let agent = try AgentProcess(way)
        let started = try agent.start(["head", "-c", "65536", "/dev/zero"]) { $0.windowBytes = 1000 }
        guard case .started = try agent.event(started.streamID) else { throw AgentProcess.StreamEnded() }
        try await eventually("the agent knows that the program is gone") { !agent.hasChildren }
        try agent.signal(started.execution, 0)
        let ended = try agent.finish(started).ended
        #expect(ended.cause == .exited)
        #expect(ended.stdoutBytes == 65536)
    }

    /// Item D22.
    @Test("a start that another program of its user stops is ended, and harms nothing else")
    func stoppedStart() throws {
        let agent = try AgentProcess(.direct)
        let other = try agent.start([
            "python3", "-c", "import os, signal\nwhile True:\n try: os.kill(-1, signal.SIGSTOP)\n except OSError: pass",
        ]) {
            ($0.uid, $0.gid) = (61234, 61234)
        }
        guard case .started = try agent.event(other.streamID) else { throw AgentProcess.StreamEnded() }
        // The user is changed before the program is looked for: so that the search can hardly be missed, it is long.
        let slow: (inout Agent.ExecuteRequest) -> Void = {
            ($0.uid, $0.gid) = (61234, 61234)
            $0.env = ["PATH=\(String(repeating: "/none:", count: 10_000))/usr/bin:/bin"]
        }
        var stopped = 0
        for _ in 0..<100 where stopped == 0 {
            let ended = try agent.run(["true"]) {
                slow(&$0)
                $0.timeoutMilliseconds = 5000
            }.ended
            guard ended.cause == .startFailed else { continue }
            #expect(ended.startFailure == .noResources)
            #expect(ended.message == "the start of true was stopped by another program")
            stopped += 1
        }
        #expect(stopped == 1)
        try agent.signal(other.execution, SIGKILL)
        #expect(try agent.finish(other).ended.signal == SIGKILL)
        #expect(try agent.run(["true"], slow).ended.exitCode == 0)
    }

    @Test(
        "a program that cannot start says why",
        arguments: [
            (["no-such-program"], "/", StartFailure.programNotFound, "no-such-program: not found in PATH"),
            (["/no/such"], "/", .programNotFound, "/no/such: no such file"),
            (["/etc/passwd"], "/", .programNotExecutable, "/etc/passwd: Permission denied"),
            (["/"], "/", .programNotExecutable, "/: Permission denied"),
            (["true"], "/no/such", .badWorkingDirectory, "working directory /no/such: No such file or directory"),
            (["true"], "/etc/passwd", .badWorkingDirectory, "working directory /etc/passwd: Not a directory"),
        ], AgentProcess.Way.allCases)
    func startFailures(
        expected: (argv: [String], cwd: String, failure: StartFailure, message: String), way: AgentProcess.Way
    ) throws {
        let (argv, cwd, failure, message) = expected
        let agent = try AgentProcess(way)
        let outcome = try agent.run(argv) { $0.cwd = SystemString(cwd) }
        #expect(outcome.pid == nil)
        #expect(outcome.ended.cause == .startFailed)
        #expect(outcome.ended.startFailure == failure)
        #expect(outcome.ended.message == message)
    }

    @Test(
        "a script whose interpreter is missing is not executable, and a file of no known format neither",
        arguments: [
            ("#!/no/such/interpreter\n", "the interpreter or loader it names is missing"),
            ("just text\n", "Exec format error"),
        ], AgentProcess.Way.allCases)
    func interpreter(expected: (content: String, reason: String), way: AgentProcess.Way) throws {
        let (content, reason) = expected
        let agent = try AgentProcess(way)
        let path = "/tmp/berth-agent-test-\(agent.pid)"
        defer { unlink(path) }
        // The agent's own child writes it: a descriptor of this process, open for writing, could be inherited by
        // another test's agent just then, and such a file cannot be executed.
        let written = try agent.run(shell: "cat > \(path); chmod 755 \(path)") { $0.stdin = Array(content.utf8) }
        try #require(written.ended.exitCode == 0)
        let ended = try agent.run([path]).ended
        #expect(ended.startFailure == .programNotExecutable)
        #expect(ended.message == "\(path): \(reason)")
    }

    @Test("no process left in the container is a start failure of its own")
    func noResources() throws {
        // A limit of processes holds for users without privileges only.
        let agent = try AgentProcess(wrapper: ["prlimit", "--nproc=1", "setpriv", "--reuid=61234", "--clear-groups"])
        let outcome = try agent.run(["true"]) {
            $0.uid = 61234
            $0.gid = 0
        }
        #expect(outcome.ended.cause == .startFailed)
        #expect(outcome.ended.startFailure == .noResources)
    }
}
