// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import Testing

@testable import AgentCore

@Suite("The execution's state machine")
struct ExecutionTests {
    func execution(
        timeout: UInt64 = 0, grace: UInt64 = 100, window: UInt64 = 100,
        _ change: (inout Agent.ExecuteRequest) -> Void = { _ in }
    ) -> ExecutionStateMachine {
        var request = Agent.ExecuteRequest(
            execution: 1, argv: ["true"], timeoutMilliseconds: timeout, graceMilliseconds: grace, windowBytes: window)
        change(&request)
        return ExecutionStateMachine(ExecutionStateMachine.Limits(request), processors: 2)
    }

    func running(
        timeout: UInt64 = 0, grace: UInt64 = 100, window: UInt64 = 100,
        _ change: (inout Agent.ExecuteRequest) -> Void = { _ in }
    ) -> ExecutionStateMachine {
        var execution = self.execution(timeout: timeout, grace: grace, window: window, change)
        #expect(execution.intake(.stdout) == .none)
        #expect(execution.started(pid: 7, now: 1_000_000) == [.sendStarted(pid: 7)])
        return execution
    }

    func ended(_ actions: [ExecutionStateMachine.Action]) -> Agent.Ended? {
        guard case .sendEnded(let ended)? = actions.first, actions.count == 1 else { return nil }
        return ended
    }

    @Test("exit, gone, sealed: the end comes when the pipes are empty")
    func plain() {
        var execution = running()
        #expect(execution.didSend(10, of: .stdout, now: 0) == [])
        _ = execution.exited(.exited(code: 3), .init(wallMicroseconds: 5), outOfMemoryKills: 0, hasLeft: true, now: 0)
        #expect(execution.gone(Usage(userMicroseconds: 1), outOfMemoryKills: 0) == [.seal])
        #expect(execution.sealed(stdout: 4, stderr: 0, now: 0) == [])
        #expect(execution.intake(.stdout) == .send(4))
        #expect(execution.intake(.stderr) == .none)
        let ended = ended(execution.didSend(4, of: .stdout, now: 0))
        #expect(
            ended == Agent.Ended(cause: .exited, exitCode: 3, wallMicroseconds: 5, userMicroseconds: 1, stdoutBytes: 14)
        )
        #expect(execution.phase == .ended)
    }

    @Test("what another has taken out of a sealed pipe is not waited for; before that, an empty pipe is no end")
    func taken() {
        var execution = running()
        #expect(execution.didFindEmpty(.stdout) == [])
        _ = execution.exited(.exited(code: 3), .init(), outOfMemoryKills: 0, hasLeft: true, now: 0)
        #expect(execution.gone(nil, outOfMemoryKills: 0) == [.seal])
        #expect(execution.sealed(stdout: 9, stderr: 0, now: 0) == [])
        _ = execution.didSend(4, of: .stdout, now: 0)
        #expect(execution.didFindEmpty(.stderr) == [])
        let ended = ended(execution.didFindEmpty(.stdout))
        #expect(ended == Agent.Ended(cause: .exited, exitCode: 3, stdoutBytes: 4))
    }

    @Test("both streams share the window, and an acknowledgement beyond it changes nothing")
    func window() {
        var execution = running(window: 100)
        _ = execution.didSend(60, of: .stdout, now: 0)
        #expect(execution.intake(.stderr) == .send(40))
        _ = execution.didSend(40, of: .stderr, now: 0)
        #expect(execution.intake(.stdout) == .none)
        let refused = execution.acknowledge(101, now: 0)
        #expect(!refused)
        let taken = execution.acknowledge(30, now: 0)
        #expect(taken)
        #expect(execution.intake(.stdout) == .send(30))
        #expect(execution.offset(.stdout) == 60)
        #expect(execution.offset(.stderr) == 40)
    }

    @Test("timeout: TERM, the grace, KILL")
    func timeout() {
        var execution = running(timeout: 10, grace: 5)
        #expect(execution.deadline == 11_000_000)
        #expect(execution.timePassed(now: 10_999_999, hasUnread: false) == [])
        #expect(execution.timePassed(now: 11_000_000, hasUnread: false) == [.terminate])
        #expect(execution.deadline == 16_000_000)
        _ = execution.exited(.exited(code: 0), .init(wallMicroseconds: 15), outOfMemoryKills: 0, hasLeft: true, now: 0)
        #expect(execution.timePassed(now: 16_000_000, hasUnread: false) == [.kill])
        #expect(execution.deadline == nil)
        #expect(execution.gone(nil, outOfMemoryKills: 0) == [.seal])
        #expect(ended(execution.sealed(stdout: 0, stderr: 0, now: 0))?.cause == .timedOut)
    }

    @Test("without a grace KILL comes at once")
    func noGrace() {
        var execution = running(timeout: 10, grace: 0)
        #expect(execution.timePassed(now: 11_000_000, hasUnread: false) == [.kill])
        #expect(execution.deadline == nil)
    }

    @Test("a second cancel can shorten the grace, not lengthen it, and the first cause stays")
    func twice() {
        var execution = running(timeout: 10, grace: 1000)
        _ = execution.timePassed(now: 11_000_000, hasUnread: false)
        #expect(execution.cancel(graceMilliseconds: 5000, now: 12_000_000) == [])
        #expect(execution.deadline == 1_011_000_000)
        #expect(execution.cancel(graceMilliseconds: 0, now: 12_000_000) == [.kill])
        #expect(execution.termination == .timedOut)
    }

    @Test("a cancel before the start is kept through it")
    func cancelBeforeStart() {
        var execution = self.execution(timeout: 5, grace: 0, window: 1)
        #expect(execution.cancel(graceMilliseconds: 1, now: 0) == [.terminate])
        _ = execution.started(pid: 1, now: 500)
        #expect(execution.deadline == 1_000_000)
    }

    @Test(
        "cancelled after it ended by itself: its own end is told, unread output without credit is counted and dropped")
    func cancelWhileDraining() {
        var execution = running(window: 10)
        _ = execution.didSend(10, of: .stdout, now: 0)
        _ = execution.exited(.exited(code: 1), .init(wallMicroseconds: 1), outOfMemoryKills: 0, hasLeft: true, now: 0)
        _ = execution.gone(nil, outOfMemoryKills: 0)
        #expect(execution.sealed(stdout: 5, stderr: 2, now: 0) == [])
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
            _ = execution.exited(status, .init(wallMicroseconds: 1), outOfMemoryKills: 0, hasLeft: true, now: 0)
            _ = execution.gone(nil, outOfMemoryKills: 1)
            #expect(ended(execution.sealed(stdout: 0, stderr: 0, now: 0))?.cause == expected)
        }
    }

    @Test("over its limit output is read without credit and counted, and the end says how much")
    func truncation() {
        var execution = running(window: 12) { $0.maxOutputBytes = 10 }
        #expect(execution.intake(.stdout) == .send(10))
        _ = execution.didSend(10, of: .stdout, now: 0)
        #expect(execution.intake(.stdout) == .count(SendBuffer.maxChunk))
        #expect(execution.intake(.stderr) == .send(2), "each stream has its own limit; the window is common")
        #expect(execution.didCount(500, of: .stdout, now: 0) == [])
        _ = execution.exited(.exited(code: 0), .init(), outOfMemoryKills: 0, hasLeft: true, now: 0)
        _ = execution.gone(nil, outOfMemoryKills: 0)
        #expect(execution.sealed(stdout: 7, stderr: 0, now: 0) == [])
        #expect(execution.intake(.stdout) == .count(7))
        let ended = ended(execution.didCount(7, of: .stdout, now: 0))
        #expect(ended == Agent.Ended(cause: .exited, stdoutBytes: 517, stdoutTruncated: 507))
    }

    @Test("output over a limit that kills is the cause, whether it is noticed before the program's end or after it")
    func outputLimit() {
        func limited() -> ExecutionStateMachine {
            var execution = running {
                $0.maxOutputBytes = 10
                $0.killsAtMaxOutput = true
            }
            _ = execution.didSend(10, of: .stdout, now: 0)
            return execution
        }
        var execution = limited()
        #expect(execution.didCount(1, of: .stdout, now: 0) == [.terminate])
        #expect(execution.didCount(1, of: .stdout, now: 0) == [])
        _ = execution.exited(.signalled(15), .init(), outOfMemoryKills: 0, hasLeft: true, now: 0)
        _ = execution.gone(nil, outOfMemoryKills: 0)
        let killed = ended(execution.sealed(stdout: 0, stderr: 0, now: 0))
        #expect(killed?.cause == .outputLimit)
        #expect(killed?.stdoutTruncated == 2)
        #expect(killed?.message == "the program wrote more than 10 bytes to stdout, its limit")
        execution = limited()
        _ = execution.exited(.exited(code: 0), .init(), outOfMemoryKills: 0, hasLeft: true, now: 0)
        #expect(execution.didCount(1, of: .stdout, now: 0) == [])
        _ = execution.gone(nil, outOfMemoryKills: 0)
        #expect(ended(execution.sealed(stdout: 0, stderr: 0, now: 0))?.cause == .outputLimit)
        execution = limited()
        _ = execution.exited(.exited(code: 0), .init(), outOfMemoryKills: 0, hasLeft: true, now: 0)
        _ = execution.gone(nil, outOfMemoryKills: 0)
        #expect(ended(execution.sealed(stdout: 0, stderr: 0, now: 0))?.cause == .exited, "exactly as much as allowed")
    }

    @Test("silence counts from the start or the last output, and not while there is no credit")
    func idle() {
        var execution = running(window: 10) { $0.idleTimeoutMilliseconds = 2 }
        #expect(execution.deadline == 3_000_000)
        _ = execution.didSend(4, of: .stderr, now: 2_500_000)
        #expect(execution.deadline == 4_500_000)
        _ = execution.didSend(6, of: .stdout, now: 3_000_000)
        #expect(execution.deadline == nil)
        #expect(execution.timePassed(now: 9_000_000, hasUnread: false) == [])
        let taken = execution.acknowledge(1, now: 9_000_000)
        #expect(taken)
        #expect(execution.deadline == 11_000_000)
        #expect(execution.timePassed(now: 11_000_000, hasUnread: true) == [], "what was not read yet is no silence")
        #expect(execution.timePassed(now: 13_000_000, hasUnread: false) == [.terminate])
        #expect(execution.termination == .idleTimeout)
    }

    @Test("CPU time is looked at no earlier than it can be used up, by all processors at once")
    func cpuTime() {
        var execution = running { $0.cpuTimeMilliseconds = 100 }
        #expect(execution.deadline == 51_000_000)
        #expect(execution.timePassed(now: 51_000_000, hasUnread: false) == [.measureCPUTime])
        #expect(execution.measuredCPUTime(60_000_000, now: 51_000_000) == [])
        #expect(execution.deadline == 71_000_000)
        #expect(execution.timePassed(now: 71_000_000, hasUnread: false) == [.measureCPUTime])
        #expect(execution.measuredCPUTime(99_000_000, now: 71_000_000) == [])
        #expect(execution.deadline == 81_000_000)
        #expect(execution.timePassed(now: 81_000_000, hasUnread: false) == [.measureCPUTime])
        #expect(execution.measuredCPUTime(100_000_000, now: 81_000_000) == [.terminate])
        #expect(execution.termination == .cpuTimeLimit)
    }

    @Test("what a program leaves is detached when it ended by itself, and only then")
    func background() {
        var execution = running { $0.keepsBackground = true }
        let usage: AgentCore.Usage = .init(wallMicroseconds: 3, userMicroseconds: 2)
        #expect(
            execution.exited(.exited(code: 4), usage, outOfMemoryKills: 0, hasLeft: true, now: 0) == [.detach, .seal])
        let told = ended(execution.sealed(stdout: 0, stderr: 0, now: 0))
        #expect(told == Agent.Ended(cause: .exited, exitCode: 4, wallMicroseconds: 3, userMicroseconds: 2))
        execution = running { $0.keepsBackground = true }
        _ = execution.cancel(graceMilliseconds: 5, now: 0)
        #expect(execution.exited(.exited(code: 4), usage, outOfMemoryKills: 0, hasLeft: true, now: 0) == [])
    }

    @Test("a start that lasts is looked at, and its time-out counts from the request")
    func slowStart() {
        var execution = self.execution(timeout: 250, grace: 50)
        execution.willStart(now: 1_000_000)
        #expect(execution.deadline == 101_000_000)
        #expect(execution.timePassed(now: 101_000_000, hasUnread: false) == [.lookAtStart])
        #expect(execution.timePassed(now: 201_000_000, hasUnread: false) == [.lookAtStart])
        var late = execution
        #expect(execution.timePassed(now: 251_000_000, hasUnread: false) == [.kill], "there is none to have a grace")
        #expect(ended(execution.gone(nil, outOfMemoryKills: 0))?.cause == .timedOut)
        #expect(late.started(pid: 7, now: 240_000_000) == [.sendStarted(pid: 7)])
        #expect(late.deadline == 251_000_000)
        #expect(late.timePassed(now: 251_000_000, hasUnread: false) == [.terminate])
    }

    @Test("a terminal is one stream, read to its end, or until it is quiet while there is credit")
    func terminal() {
        func gone() -> ExecutionStateMachine {
            var execution = running(window: 10) { $0.terminal = Agent.Terminal() }
            #expect(execution.intake(.stderr) == .none)
            _ = execution.exited(.exited(code: 0), .init(), outOfMemoryKills: 0, hasLeft: true, now: 0)
            _ = execution.gone(nil, outOfMemoryKills: 0)
            #expect(execution.sealed(stdout: 0, stderr: 0, now: 1) == [])
            return execution
        }
        var execution = gone()
        #expect(execution.didSend(4, of: .stdout, now: 5) == [])
        #expect(ended(execution.didClose(.stdout))?.stdoutBytes == 4)
        execution = gone()
        _ = execution.didSend(10, of: .stdout, now: 5)
        #expect(execution.deadline == nil)
        let taken = execution.acknowledge(10, now: 7)
        #expect(taken)
        #expect(execution.deadline == 50_000_007)
        #expect(ended(execution.timePassed(now: 50_000_007, hasUnread: false))?.stdoutBytes == 10)
    }

    @Test("nothing is said twice, whatever comes after the end")
    func afterTheEnd() {
        var execution = self.execution(timeout: 1, grace: 1, window: 1)
        #expect(execution.startFailed(.programNotFound, "no").count == 1)
        #expect(execution.startFailed(.programNotFound, "no") == [])
        #expect(execution.started(pid: 1, now: 0) == [])
        #expect(execution.gone(nil, outOfMemoryKills: 0) == [])
        #expect(execution.cancel(graceMilliseconds: 0, now: 0) == [])
        #expect(execution.signal(9) == [])
        #expect(execution.timePassed(now: .max, hasUnread: false) == [])
        #expect(execution.intake(.stdout) == .none)
    }

    @Test("the head of output is what protobuf-c writes")
    func head() {
        for stream in [UInt32(0), 1] {
            for offset in [UInt64(0), 1, 127, 128, 1 << 32, .max] {
                for count in [1, 100, 127, 128, 16383, 16384, 32768] {
                    let data = [UInt8](repeating: 9, count: count)
                    let whole = Agent.ExecuteEvent.output(Agent.Output(stream: stream, offset: offset, data: data))
                        .encoded()
                    let head = OutputHead(stream: stream, offset: offset, count: count)
                    var bytes = [UInt8](repeating: 0, count: head.size)
                    bytes.withUnsafeMutableBytes { head.write(into: $0) }
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
