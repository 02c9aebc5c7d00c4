// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import CAgent
import Glibc
import Testing
import TestSupport

@testable import AgentCore

/// Resets in containers are in the integration tests.
@Suite("Reset")
struct ResetTests {
    @Test("an agent that is not process 1 refuses, and touches nothing")
    func outside() throws {
        let agent = try AgentProcess()
        let path = "/dev/shm/berth-reset-test-\(getpid())"
        let file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
        #expect(file >= 0)
        defer {
            close(file)
            unlink(path)
        }
        let running = try agent.start(["sleep", "1000"])
        guard case .started(let begun) = try agent.event(running.streamID) else { throw AgentProcess.StreamEnded() }
        let response = try agent.call("Reset", Agent.ResetRequest(timeoutMilliseconds: 1000))
        #expect(response.status?.code == 9)
        #expect(response.status?.message == "the agent is not process 1 of a container")
        #expect(access(path, F_OK) == 0)
        #expect(isThere(Int32(begun.pid)))
        try agent.signal(running.execution, 9)
        _ = try agent.finish(running)
    }

    @Test("an agent in a PID namespace whose files are the machine's refuses, and touches nothing")
    func namespaceAlone() throws {
        let agent = try AgentProcess(wrapper: ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"])
        let path = "/dev/shm/berth-reset-test-namespace-\(getpid())"
        let file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
        #expect(file >= 0)
        defer {
            close(file)
            unlink(path)
        }
        let response = try agent.call("Reset", Agent.ResetRequest(timeoutMilliseconds: 1000))
        #expect(response.status?.code == 9, "\(response)")
        #expect(access(path, F_OK) == 0)
    }

    @Test("a reset without a time-out is refused")
    func noTimeout() throws {
        let agent = try AgentProcess()
        #expect(try agent.call("Reset", Agent.ResetRequest(timeoutMilliseconds: 0)).status?.code == 3)
    }

    @Test("outside a container nothing can be asked to kill all others")
    func killingAll() {
        #expect(berth_end_all_others(.max) == -EPERM)
    }

    @Test("emptying a directory gives up at its deadline, and keeps what is to be kept")
    func emptying() throws {
        let path = try temporaryDirectory("emptying")
        let deep = (0..<1000).map { _ in "d" }
        let top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        #expect(top >= 0)
        defer {
            close(top)
            rmdir("\(path)/kept/d")
            rmdir("\(path)/kept")
            rmdir(path)
        }
        var parent = fcntl(top, F_DUPFD_CLOEXEC, 3)
        for name in deep {
            #expect(mkdirat(parent, name, 0) == 0 && fchmodat(parent, name, 0o700, 0) == 0)
            let next = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            close(parent)
            parent = next
        }
        close(parent)
        #expect(mkdir("\(path)/kept", 0o700) == 0 && mkdir("\(path)/kept/d", 0o700) == 0)
        let kept = strdup("kept")
        defer { free(kept) }
        var names: [UnsafePointer<CChar>?] = [UnsafePointer(kept), nil]
        #expect(berth_empty_directory(top, &names, 1) == -ETIME)
        #expect(berth_empty_directory(top, &names, monotonicNow() + 20_000_000_000) == 0)
        #expect(access("\(path)/d", F_OK) != 0)
        #expect(access("\(path)/kept/d", F_OK) == 0)
    }

    @Test("a mount's path, type and whether it can be written to are read from its line")
    func mounts() throws {
        let line = #"36 35 0:98 /a /b\040c rw,nosuid shared:1 master:2 - tmpfs tm pfs"#
        #expect(Mount(line: "36 35 0:98") == nil)
        let mount = try #require(Mount(line: line.dropLast(6) + "tmpfs rw,size=1k"))
        #expect(mount.path == "/b c" && mount.type == "tmpfs" && mount.isWritable)
        #expect(Mount(line: "36 35 0:98 / /b ro,nosuid - tmpfs none rw")?.isWritable == false)
        #expect(Mount(line: "36 35 0:98 / /b rw - overlay none ro,lowerdir=x")?.isWritable == false)
        #expect(Mount.all(in: Array("36 35 0:98 / /b ro\n".utf8)) == nil)
        let own = try #require(readAll(path: "/proc/self/mountinfo"))
        #expect(try #require(Mount.all(in: own)).contains { $0.path == "/" })
    }

    @Test("of the sockets, what the kernel counts for the namespace is compared")
    func sockets() {
        let text = """
            sockets: used 43
            TCP: inuse 2 orphan 7 tw 1 alloc 4 mem 209
            FRAG: inuse 0 memory 0

            """
        #expect(Baseline.counts(in: text) == ["sockets: used": 43, "TCP: inuse": 2, "TCP: tw": 1, "FRAG: inuse": 0])
    }

    @Test("an execution that is discarded ends once, as cancelled unless it had ended by itself, and counts its output")
    func discard() {
        var running = ExecutionStateMachine(
            ExecutionStateMachine.Limits(
                Agent.ExecuteRequest(
                    execution: 1, argv: ["true"], timeoutMilliseconds: 0, graceMilliseconds: 0, windowBytes: 100)))
        _ = running.started(pid: 5, now: 0)
        _ = running.didSend(10, of: .stdout, now: 0)
        guard case .sendEnded(let ended) = running.discard(stdout: 7, stderr: 3).first else {
            Issue.record("no end")
            return
        }
        #expect(ended.cause == .cancelled && ended.stdoutBytes == 17 && ended.stderrBytes == 3)
        #expect(running.discard(stdout: 0, stderr: 0).isEmpty)
        #expect(running.gone(nil, outOfMemoryKills: 0).isEmpty)
        #expect(running.intake(.stdout) == .none)

        var exited = ExecutionStateMachine(
            ExecutionStateMachine.Limits(
                Agent.ExecuteRequest(
                    execution: 1, argv: ["true"], timeoutMilliseconds: 0, graceMilliseconds: 0, windowBytes: 100)))
        _ = exited.started(pid: 5, now: 0)
        _ = exited.exited(.exited(code: 3), .init(wallMicroseconds: 1), outOfMemoryKills: 0, hasLeft: true, now: 0)
        guard case .sendEnded(let ended) = exited.discard(stdout: 0, stderr: 0).first else {
            Issue.record("no end")
            return
        }
        #expect(ended.cause == .exited && ended.exitCode == 3)

        var starting = ExecutionStateMachine(
            ExecutionStateMachine.Limits(
                Agent.ExecuteRequest(
                    execution: 1, argv: ["true"], timeoutMilliseconds: 0, graceMilliseconds: 0, windowBytes: 100)))
        guard case .sendEnded(let ended) = starting.discard(stdout: 0, stderr: 0).first else {
            Issue.record("no end")
            return
        }
        #expect(ended.cause == .cancelled)
    }
}
