// SPDX-License-Identifier: Apache-2.0

import AgentLink
import Berth
import BerthRPC
import BerthSchema
import Foundation
import Pool
import Testing
import TestSupport

@Suite("Windows, slow streams and several watchers")
struct WatcherTests {
    private let flood = "while :; do echo 0123456789012345678901234567890123456789012345678901234567890123456789; done"

    @Test("a stalled stream with a window delays no other call of its connection, and has no byte more than its window")
    func stalled() async throws {
        try await TestServer.with { server, client in
            let lease = try await client.acquire()
            let connection = try await RawConnection.open(server)
            let stalled = connection.execute(
                ExecuteRequest(lease: lease.token, shell: flood, cwd: "/tmp", windowBytes: 64 << 10))
            try await stalled.read(stdout: 64 << 10)
            for index in 0..<200 {
                let _: HelloResponse = try await connection.call("Hello", HelloRequest())
                guard index % 10 == 0 else { continue }
                let beside = connection.execute(
                    ExecuteRequest(lease: lease.token, shell: "seq 1 20000", cwd: "/tmp", windowBytes: 64 << 10))
                #expect(try await beside.finish(acknowledging: connection, lease: lease.token).stdoutBytes == 108_894)
            }
            #expect(stalled.stdout.count == 64 << 10)
            // All that was sent is in order of the connection before the answers, so nothing more is on its way.
            let answer: ListExecutionsResponse = try await connection.call(
                "ListExecutions", ListExecutionsRequest(lease: lease.token))
            let info = try #require(answer.executions.first)
            #expect(info.stdoutBytes <= (64 << 10) + UInt64(AgentConnection.window), "the program waits")
            try await connection.acknowledge(stalled, lease: lease.token)
            try await stalled.read(stdout: 128 << 10)
            #expect(stalled.stdout.count == 128 << 10)
            connection.close()
        }
    }

    @Test(
        "a client that reads nothing stops its program; what is held for it is bounded; then every byte comes in order")
    func unread() async throws {
        // 5 GB where somebody has the time.
        let total = Int(ProcessInfo.processInfo.environment["BERTH_TEST_UNREAD_BYTES"] ?? "") ?? 60_000_000
        try await TestServer.with { server, client in
            let lease = try await client.acquire()
            for window in [UInt64(0), 1 << 20] {
                let connection = try await RawConnection.open(server)
                let script = "head -c \(total) /dev/zero | tr '\\0' x"
                let stream = connection.execute(
                    ExecuteRequest(
                        lease: lease.token, shell: script, cwd: "/tmp", timeoutMilliseconds: 3_600_000,
                        windowBytes: window))
                _ = try await stream.next()
                let id = try #require(stream.started).execution
                if window == 0 { connection.rpc.pauseReading() }
                func info() async throws -> ExecutionInfo {
                    let other = try await RawConnection.open(server)
                    defer { other.close() }
                    let answer: ListExecutionsResponse = try await other.call(
                        "ListExecutions", ListExecutionsRequest(lease: lease.token))
                    return try #require(answer.executions.first { $0.execution == id })
                }
                // It is the program itself that says that it waits, since it has not run between some looks.
                var looks: [Int] = []
                try await eventually("the program waits") {
                    guard try await info().stdoutBytes > 0 else { return false }
                    guard let count = try sleeps(of: "tr", in: server.runtime.process(of: MemberID(lease.member)))
                    else {
                        return false
                    }
                    looks.append(count)
                    return looks.count > 10 && Set(looks.suffix(10)).count == 1
                }
                let held = try await info()
                #expect(held.stdoutBytes < total)
                let bytes = held.stdoutBytes - held.stdoutHeldFrom
                #expect(bytes <= (1 << 20) + UInt64(AgentConnection.window) + (32 << 10), "\(bytes) with \(window)")
                connection.rpc.resumeReading()
                var count = 0
                while let event = try await stream.next() {
                    guard case .output(let output) = event else { continue }
                    count += output.data.count
                    stream.forget()
                    if window > 0 { try await connection.acknowledge(stream, lease: lease.token) }
                }
                #expect(count == total)
                #expect(stream.ended?.stdoutBytes == UInt64(total))
                connection.close()
            }
        }
    }

    @Test(
        "several watchers, each as fast as it is: those who govern get every byte, observers are told what they missed")
    func several() async throws {
        try await TestServer.with { server, client in
            let lease = try await client.acquire()
            let connections = [
                try await RawConnection.open(server), try await RawConnection.open(server),
                try await RawConnection.open(server),
            ]
            let first = connections[0].execute(
                ExecuteRequest(
                    lease: lease.token, shell: "read line; seq 1 1000000", cwd: "/tmp", keepsStdinOpen: true,
                    windowBytes: 64 << 10))
            _ = try await first.next()
            let id = try #require(first.started?.execution)
            func attach(_ connection: Int, _ window: UInt64, observes: Bool) -> RawStream {
                connections[connection].attach(
                    AttachRequest(lease: lease.token, execution: id, windowBytes: window, isObserver: observes))
            }
            let second = attach(1, 1 << 20, observes: false)
            let third = attach(1, 0, observes: false)
            let lazy = attach(2, 64 << 10, observes: true)
            let quick = attach(2, 0, observes: true)
            for stream in [second, third, lazy, quick] { _ = try await stream.next() }
            let _: InputResponse = try await connections[1].call(
                "Input", InputRequest(lease: lease.token, execution: id, data: Array("go\n".utf8)))
            let expected = (1...1_000_000).reduce(into: [UInt8]()) { $0 += Array("\($1)\n".utf8) }
            // The slowest first: the others' output waits for them.
            try await lazy.read(stdout: 64 << 10)
            let readers = [(first, Optional(connections[0])), (second, connections[1]), (third, nil), (quick, nil)]
            try await withThrowingTaskGroup(of: UInt64.self) { group in
                for (stream, connection) in readers {
                    let box = Unshared(stream)
                    group.addTask {
                        try await box.stream.finish(acknowledging: connection, lease: lease.token).stdoutBytes
                    }
                }
                for try await count in group { #expect(count == UInt64(expected.count)) }
            }
            for stream in [first, second, third] {
                #expect(stream.dropped.isEmpty)
                #expect(stream.stdout == expected)
            }
            _ = try await lazy.finish(acknowledging: connections[2], lease: lease.token)
            for stream in [lazy, quick] {
                var wanted = expected[...]
                var seen = 0
                for gap in stream.dropped {
                    #expect(
                        stream.stdout[seen..<seen + Int(gap.lowerBound) - (expected.count - wanted.count)]
                            == wanted[..<Int(gap.lowerBound)])
                    seen += Int(gap.lowerBound) - (expected.count - wanted.count)
                    wanted = wanted[Int(gap.upperBound)...]
                }
                #expect(stream.stdout[seen...] == wanted)
            }
            #expect(!lazy.dropped.isEmpty)
            for connection in connections { connection.close() }
        }
    }

    @Test("more than was sent can't be acknowledged; less than before changes nothing; windows have bounds")
    func acknowledge() async throws {
        try await TestServer.with { server, client in
            let lease = try await client.acquire()
            let connection = try await RawConnection.open(server)
            let stream = connection.execute(
                ExecuteRequest(
                    lease: lease.token, shell: "echo hello; sleep 1000", cwd: "/tmp", windowBytes: 64 << 10))
            try await stream.read(stdout: 6)
            let started = try #require(stream.started)
            func acknowledge(_ stdout: UInt64, _ stderr: UInt64 = 0, watcher: UInt32? = nil) async -> RPCError? {
                do {
                    let _: Empty = try await connection.call(
                        "Acknowledge",
                        AcknowledgeRequest(
                            lease: lease.token, execution: started.execution, watcher: watcher ?? started.watcher,
                            stdoutOffset: stdout, stderrOffset: stderr))
                    return nil
                } catch { return error as? RPCError }
            }
            let offsets: [UInt64] = [6, 0, 3, 6]
            for offset in offsets {
                let error = await acknowledge(offset)
                #expect(error == nil)
            }
            let over = await acknowledge(7)
            #expect(over?.code == .invalidArgument)
            #expect(over?.message == "stdout_offset 7 is more than was sent to watcher 1, 6")
            #expect(await acknowledge(6, 1)?.message == "stderr_offset 1 is more than was sent to watcher 1, 0")
            #expect(await acknowledge(6, watcher: 9)?.code == .notFound)
            let windows: [UInt64] = [1, (64 << 10) - 1, (1 << 20) + 1]
            for window in windows {
                let error = await #expect(throws: RPCError.self) {
                    _ = try await connection.execute(
                        ExecuteRequest(lease: lease.token, argv: ["true"], windowBytes: window)
                    ).finish()
                }
                #expect(error?.code == .invalidArgument)
                #expect(error?.message.contains("65536 (64 KiB) to 1048576 (1 MiB)") == true)
            }
            connection.close()
        }
    }
}

/// How often a program below the agent has gone to sleep: while this stays the same, it has not run. Nil if there is no
/// such program.
private func sleeps(of program: String, in agent: pid_t?) throws -> Int? {
    let agent = try #require(agent)
    var fields: [pid_t: [Substring: Substring]] = [:]
    for pid in try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap({ pid_t($0) }) {
        let text = (try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)) ?? ""
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: ":\t", maxSplits: 1)
            if parts.count == 2 { fields[pid, default: [:]][parts[0]] = parts[1] }
        }
    }
    func isBelow(_ pid: pid_t) -> Bool {
        guard let parent = fields[pid]?["PPid"].flatMap({ pid_t($0) }), parent > 1 else { return false }
        return parent == agent || isBelow(parent)
    }
    for (pid, status) in fields where status["Name"] == program[...] && isBelow(pid) {
        if let count = status["voluntary_ctxt_switches"].flatMap({ Int($0) }) { return count }
    }
    return nil
}

/// Passes a stream to the one task that reads it.
private struct Unshared: @unchecked Sendable {
    let stream: RawStream

    init(_ stream: RawStream) {
        self.stream = stream
    }
}
