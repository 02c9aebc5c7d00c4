// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import Glibc
import Testing
import TestSupport

@Suite("What a program can do with its own pipes, and with those of others")
struct PipeTests {
    @Test(
        "standard input, output and error are opened by their names, whoever the user is",
        arguments: AgentProcess.Way.allCases)
    func byName(way: AgentProcess.Way) throws {
        try #require(getuid() == 0, "this test needs root: run it as root")
        let agent = try AgentProcess(way)
        let script = "cat /dev/stdin; echo out > /dev/stdout; echo err | tee /dev/stderr"
        let outcome = try agent.run(shell: script) {
            $0.uid = 1000
            $0.gid = 1000
            $0.stdin = Array("in\n".utf8)
        }
        #expect(outcome.text == "in\nout\nerr\n", "\(outcome.errorText)")
        #expect(outcome.errorText == "err\n")
        // Other users may not.
        let pipe = try agent.start(["sleep", "1000"]) { $0.uid = 1000 }
        guard case .started(let begun) = try agent.event(pipe.streamID) else { throw AgentProcess.StreamEnded() }
        let stranger = try agent.run(shell: "echo x > /proc/\(begun.pid)/fd/1; echo $?") { $0.uid = 1001 }
        #expect(stranger.text != "0\n")
        try agent.signal(pipe.execution, SIGKILL)
        _ = try agent.finish(pipe)
    }

    @Test("what a program does to its empty input is not there for the next one", arguments: AgentProcess.Way.allCases)
    func emptyInput(way: AgentProcess.Way) throws {
        let agent = try AgentProcess(way)
        let look = "import fcntl, os; print(fcntl.fcntl(0, fcntl.F_GETFL) & (os.O_NONBLOCK | os.O_APPEND))"
        let change =
            "import fcntl, os; fcntl.fcntl(0, fcntl.F_SETFL, os.O_NONBLOCK | os.O_APPEND); fcntl.flock(0, fcntl.LOCK_EX)"
        #expect(try agent.run(["python3", "-c", change]).ended.exitCode == 0)
        #expect(try agent.run(["python3", "-c", look]).text == "0\n")
        let lock = "import fcntl; fcntl.flock(open('/dev/null'), fcntl.LOCK_EX | fcntl.LOCK_NB); print('free')"
        #expect(try agent.run(["python3", "-c", lock]).text == "free\n")
    }

    @Test(
        "a program that takes its own output, makes its pipe small and not blocking, harms nobody else",
        arguments: AgentProcess.Way.allCases)
    func ownPipe(way: AgentProcess.Way) throws {
        let agent = try AgentProcess(way)
        let script = """
            import fcntl, os
            F_SETPIPE_SZ = 1031
            both = os.open("/proc/self/fd/1", os.O_RDWR | os.O_NONBLOCK)
            fcntl.fcntl(1, fcntl.F_SETFL, os.O_NONBLOCK)
            for size in (4096, 1 << 20, 4096):
                fcntl.fcntl(both, F_SETPIPE_SZ, size)
                for _ in range(2000):
                    for call in (lambda: os.write(1, b"x" * 4096), lambda: os.read(both, 4096)):
                        try: call()
                        except BlockingIOError: pass
            os.set_blocking(1, True)
            os.write(2, b"done")
            """
        let outcome = try agent.run(["python3", "-c", script])
        #expect(outcome.ended.cause == .exited && outcome.ended.exitCode == 0, "\(outcome.errorText)")
        #expect(outcome.errorText == "done")
        // Zeros stand for bytes that it took when they were on their way.
        #expect(outcome.stdout.allSatisfy { $0 == UInt8(ascii: "x") || $0 == 0 })
        #expect(outcome.ended.stdoutBytes == outcome.stdout.count)
        #expect(try agent.run(["seq", "1", "20000"]).stdout.count == 108_894)
    }

    @Test("a process that takes what a program has left in its pipe, and keeps it open, does not hold back its end")
    func theft() async throws {
        let agent = try AgentProcess()
        let folder = try temporaryDirectory("theft")
        defer { for path in ["\(folder)/go", "\(folder)/gone", folder] { remove(path) } }
        // Of 5000 bytes only 1000 may be sent; the rest is in the pipe when the program has ended.
        let script = """
            import os, time
            both = os.open("/proc/self/fd/1", os.O_RDWR)
            os.write(1, b"x" * 5000)
            if os.fork(): os._exit(3)
            while not os.path.exists("\(folder)/go"): time.sleep(0.002)
            assert len(os.read(both, 1 << 16)) == 4000
            open("\(folder)/gone", "w")
            time.sleep(1000)
            """
        let started = try agent.start(["python3", "-c", script]) {
            $0.windowBytes = 1000
            $0.keepsBackground = true
        }
        guard case .started(let begun) = try agent.event(started.streamID) else { throw AgentProcess.StreamEnded() }
        guard case .output(let output) = try agent.event(started.streamID) else { throw AgentProcess.StreamEnded() }
        #expect(output.data.count == 1000)
        try await eventually("the program is reaped") { !isThere(Int32(begun.pid)) }
        // Its end has been dealt with when the agent answers what is asked after it.
        _ = try agent.call("Ping", Agent.PingRequest())
        close(creat("\(folder)/go", 0o600))
        try await eventually("the rest is taken") { access("\(folder)/gone", F_OK) == 0 }
        try agent.acknowledge(started.execution, 1000)
        let ended = try agent.finish(started, stdoutFrom: 1000).ended
        #expect(ended.cause == .exited)
        #expect(ended.exitCode == 3)
        #expect(ended.stdoutBytes == 1000)
    }
}
