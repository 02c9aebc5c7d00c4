import Schema
import Testing

@testable import AgentCore

@Suite("The execution's state machine")
struct ExecutionTests {
    private func running(timeout: UInt64 = 0, grace: UInt64 = 100, window: UInt64 = 100) -> Execution {
        var execution = Execution(window: window, timeoutMilliseconds: timeout, graceMilliseconds: grace)
        #expect(execution.allowance(.stdout) == 0)
        #expect(execution.started(pid: 7, now: 1_000_000) == [.sendStarted(pid: 7)])
        return execution
    }

    private func ended(_ actions: [Execution.Action]) -> Agent.Ended? {
        guard case .sendEnded(let ended)? = actions.first, actions.count == 1 else { return nil }
        return ended
    }

    @Test("exit, gone, sealed: the end comes when the pipes are empty")
    func plain() {
        var execution = running()
        #expect(execution.didSend(10, of: .stdout) == [])
        execution.exited(.exited(code: 3), wallMicroseconds: 5)
        #expect(execution.gone(Usage(userMicroseconds: 1), outOfMemoryKills: 0) == [.seal])
        #expect(execution.sealed(stdout: 4, stderr: 0) == [])
        #expect(execution.allowance(.stdout) == 4)
        #expect(execution.allowance(.stderr) == 0)
        let ended = ended(execution.didSend(4, of: .stdout))
        #expect(
            ended == Agent.Ended(cause: .exited, exitCode: 3, wallMicroseconds: 5, userMicroseconds: 1, stdoutBytes: 14)
        )
        #expect(execution.phase == .ended)
    }

    @Test("both streams share the window, and an acknowledgement beyond it changes nothing")
    func window() {
        var execution = running(window: 100)
        _ = execution.didSend(60, of: .stdout)
        #expect(execution.allowance(.stderr) == 40)
        _ = execution.didSend(40, of: .stderr)
        #expect(execution.allowance(.stdout) == 0)
        let refused = execution.acknowledge(101)
        #expect(!refused)
        let taken = execution.acknowledge(30)
        #expect(taken)
        #expect(execution.allowance(.stdout) == 30)
        #expect(execution.offset(.stdout) == 60)
        #expect(execution.offset(.stderr) == 40)
    }

    @Test("timeout: TERM, the grace, KILL")
    func timeout() {
        var execution = running(timeout: 10, grace: 5)
        #expect(execution.deadline == 11_000_000)
        #expect(execution.timePassed(now: 10_999_999) == [])
        #expect(execution.timePassed(now: 11_000_000) == [.terminate])
        #expect(execution.deadline == 16_000_000)
        execution.exited(.exited(code: 0), wallMicroseconds: 15)
        #expect(execution.timePassed(now: 16_000_000) == [.kill])
        #expect(execution.deadline == nil)
        #expect(execution.gone(nil, outOfMemoryKills: 0) == [.seal])
        #expect(ended(execution.sealed(stdout: 0, stderr: 0))?.cause == .timedOut)
    }

    @Test("without a grace KILL comes at once")
    func noGrace() {
        var execution = running(timeout: 10, grace: 0)
        #expect(execution.timePassed(now: 11_000_000) == [.kill])
        #expect(execution.deadline == nil)
    }

    @Test("a second cancel can shorten the grace, not lengthen it, and the first cause stays")
    func twice() {
        var execution = running(timeout: 10, grace: 1000)
        _ = execution.timePassed(now: 11_000_000)
        #expect(execution.cancel(graceMilliseconds: 5000, now: 12_000_000) == [])
        #expect(execution.deadline == 1_011_000_000)
        #expect(execution.cancel(graceMilliseconds: 0, now: 12_000_000) == [.kill])
        #expect(execution.termination == .timedOut)
    }

    @Test("a cancel before the start is kept through it")
    func cancelBeforeStart() {
        var execution = Execution(window: 1, timeoutMilliseconds: 5, graceMilliseconds: 0)
        #expect(execution.cancel(graceMilliseconds: 1, now: 0) == [.terminate])
        _ = execution.started(pid: 1, now: 500)
        #expect(execution.deadline == 1_000_000)
    }

    @Test(
        "cancelled after it ended by itself: its own end is told, unread output without credit is counted and dropped")
    func cancelWhileDraining() {
        var execution = running(window: 10)
        _ = execution.didSend(10, of: .stdout)
        execution.exited(.exited(code: 1), wallMicroseconds: 1)
        _ = execution.gone(nil, outOfMemoryKills: 0)
        #expect(execution.sealed(stdout: 5, stderr: 2) == [])
        let ended = ended(execution.cancel(graceMilliseconds: 0, now: 0))
        #expect(ended?.cause == .exited)
        #expect(ended?.stdoutBytes == 15)
        #expect(ended?.stderrBytes == 2)
    }

    @Test("kills for lack of memory are the cause unless the program was fine, or ended from outside")
    func outOfMemory() {
        for (status, expected) in [
            (WaitStatus.signalled(9), EndCause.outOfMemory), (.exited(code: 137), .outOfMemory),
            (.exited(code: 0), .exited),
        ] {
            var execution = running()
            execution.exited(status, wallMicroseconds: 1)
            _ = execution.gone(nil, outOfMemoryKills: 1)
            #expect(ended(execution.sealed(stdout: 0, stderr: 0))?.cause == expected)
        }
    }

    @Test("nothing is said twice, whatever comes after the end")
    func afterTheEnd() {
        var execution = Execution(window: 1, timeoutMilliseconds: 1, graceMilliseconds: 1)
        #expect(execution.startFailed(.programNotFound, "no").count == 1)
        #expect(execution.startFailed(.programNotFound, "no") == [])
        #expect(execution.started(pid: 1, now: 0) == [])
        #expect(execution.gone(nil, outOfMemoryKills: 0) == [])
        #expect(execution.cancel(graceMilliseconds: 0, now: 0) == [])
        #expect(execution.signal(9) == [])
        #expect(execution.timePassed(now: .max) == [])
        #expect(execution.allowance(.stdout) == 0)
    }

    @Test("the prefix of output is what protobuf-c writes")
    func prefix() {
        for stream in [UInt32(0), 1] {
            for offset in [UInt64(0), 1, 127, 128, 1 << 32, .max] {
                for count in [1, 100, 127, 128, 16383, 16384, 32768] {
                    let data = [UInt8](repeating: 9, count: count)
                    let whole = Agent.ExecuteEvent.output(Agent.Output(stream: stream, offset: offset, data: data))
                        .encoded()
                    let prefix = Agent.Output.Prefix(stream: stream, offset: offset, count: count)
                    var bytes = [UInt8](repeating: 0, count: prefix.size)
                    bytes.withUnsafeMutableBytes { prefix.encode(into: $0) }
                    #expect(bytes + data == whole)
                }
            }
        }
    }

    @Test("the cgroup's counter is looked for where either version has it")
    func cgroup() {
        let own = "4:memory:/docker/abc\n0::/system.slice/x\n"
        #expect(
            OutOfMemoryCounter.candidates(root: "/c", own: own) == [
                "/c/system.slice/x/memory.events", "/c/memory.events", "/c/memory/docker/abc/memory.oom_control",
                "/c/memory/memory.oom_control",
            ])
        #expect(OutOfMemoryCounter.count(in: "low 0\noom 4\noom_kill 3\noom_group_kill 0\n") == 3)
        #expect(OutOfMemoryCounter.count(in: "oom_kill_disable 0\nunder_oom 0\noom_kill 12\n") == 12)
        #expect(OutOfMemoryCounter.count(in: "") == nil)
    }
}
