// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Foundation
import Testing
import TestSupport

@Suite("What bounds a program in a real container, and what a program costs the server", .serialized)
struct LimitsTests {
    /// Bytes of output for a client that reads nothing. 5 000 000 000 take some minutes.
    private static let unreadBytes =
        Int(ProcessInfo.processInfo.environment["BERTH_TEST_UNREAD_BYTES"] ?? "") ?? 100_000_000

    @Test(
        "output that nobody reads costs server and agent little, stops nobody, and then comes whole",
        arguments: Runtime.allCases)
    func unread(_ runtime: Runtime) async throws {
        try await ServerProcess.with(runtime, ["--size", "1"]) { server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            let lease = try await client.acquire()
            // So that what is used once is there before anything is measured.
            for _ in 0..<20 { _ = try await client.run(Command(shell: "head -c 1000000 /dev/zero"), in: lease) }
            let agent = try await server.agent(of: lease.member)
            let before = try (server: Memory.own(of: server.program.pid), agent: Memory.own(of: agent))

            let producer = "seq 1 9999999999 | head -c \(Self.unreadBytes)"
            var command = Command(shell: producer)
            command.timeout = .seconds(3600)
            let execution = client.execute(command, in: lease)
            var written: UInt64 = 0
            var unchanged = 0
            // It stands still when as much as may be sent has been: then nothing changes while other calls go on.
            while unchanged < 50 {
                _ = try await client.run(Command(["true"]), in: lease)
                let now = try await client.executions(in: lease).first { $0.ended == nil }?.stdoutBytes ?? 0
                unchanged = now == written && now > 0 ? unchanged + 1 : 0
                written = now
            }
            #expect(written <= 1 << 20, "\(written) bytes of it have been taken")
            let after = try (server: Memory.own(of: server.program.pid), agent: Memory.own(of: agent))
            #expect(after.server - before.server < 4 << 20)
            #expect(after.agent - before.agent < 1 << 20)

            let received = try Checksum()
            var offset: UInt64 = 0
            for try await event in execution {
                switch event {
                case .output(let output):
                    #expect(output.offset == offset)
                    offset += UInt64(output.data.count)
                    try received.add(output.data)
                case .ended(let ended): #expect(ended.cause == .exited)
                case .dropped(let dropped): Issue.record("\(dropped.bytes) bytes were dropped")
                case .started, .display, .failure, .prompt, .outputEnded, .unknown: break
                }
            }
            #expect(offset == UInt64(Self.unreadBytes))
            let expected = try Program(try tool("sh"), ["-c", "\(producer) | sha256sum"])
            #expect(try await expected.end(within: .seconds(3600)) == 0)
            #expect(try received.finish() == expected.out)
            #expect(try Memory.own(of: server.program.pid) - before.server < 4 << 20)
        }
    }

    @Test(
        "a program that the kernel ends for lack of memory, itself or by a child, is told as that",
        arguments: Runtime.allCases)
    func outOfMemory(_ runtime: Runtime) async throws {
        try await ServerProcess.with(runtime, ["--size", "1", "--memory", "64m"]) { server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            let lease = try await client.acquire()
            let eater = "python3 -c 'x = bytearray(200 << 20)'"
            for line in ["exec \(eater)", "\(eater); exit $?", "(\(eater)) & wait $!"] {
                let output = try await client.run(Command(shell: line), in: lease)
                #expect(output.ended.cause == .outOfMemory, "\(line): \(output.ended)")
                #expect(output.ended.outOfMemoryKills == 1, "\(line)")
            }
            // The program did not mind the loss of its child; that it was lost is told all the same.
            let unharmed = try await client.run(Command(shell: "\(eater); exit 0"), in: lease)
            #expect(unharmed.ended.cause == .exited)
            #expect(unharmed.ended.outOfMemoryKills == 1)
            let next = try await client.run(Command(shell: "echo still here"), in: lease)
            #expect(next.text == "still here\n")
        }
    }
}

/// The anonymous memory of a process, without the pages of files, which it shares.
private enum Memory {
    static func own(of pid: Int32) throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("RssAnon:") }),
            let kilobytes = line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({ Int($0) })
        else { throw NeverHappened(description: "process \(pid) has no memory") }
        return kilobytes << 10
    }
}

/// sha256sum that is fed piece by piece.
private final class Checksum {
    private let process: ChildProcess
    private let input = Pipe()
    private let output = Pipe()

    init() throws {
        process = try ChildProcess(
            try tool("sha256sum"), [], input: input.fileHandleForReading.fileDescriptor,
            output: output.fileHandleForWriting.fileDescriptor)
        try input.fileHandleForReading.close()
        try output.fileHandleForWriting.close()
    }

    func add(_ bytes: [UInt8]) throws { try input.fileHandleForWriting.write(contentsOf: bytes) }

    /// The sum as `sha256sum` prints it.
    func finish() throws -> String {
        try input.fileHandleForWriting.close()
        let line = try output.fileHandleForReading.readToEnd() ?? Data()
        process.wait()
        return String(decoding: line, as: UTF8.self)
    }
}

extension ServerProcess {
    /// The process id of a member's agent, as the host sees it.
    func agent(of member: String) async throws -> Int32 {
        let text: String
        if let endpoint {
            let docker = try Program(
                try tool("docker"), ["-H", endpoint, "inspect", "-f", "{{.State.Pid}}", "berth-\(instance)-\(member)"])
            _ = try await docker.end()
            text = docker.out
        } else if runtime == .runc {
            text = try String(contentsOfFile: "\(stateDirectory)/\(instance)/members/\(member)/pid", encoding: .utf8)
        } else {
            text =
                Self.cgroups(of: instance).compactMap { cgroup in
                    let processes = try? String(contentsOfFile: "\(cgroup)/\(member)/cgroup.procs", encoding: .utf8)
                    return processes?.split(separator: "\n").compactMap { Int32($0) }.min().map { "\($0)" }
                }.first ?? ""
        }
        guard let pid = Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw NeverHappened(description: "the agent of \(member) has no process: \(text)")
        }
        return pid
    }

    /// The cgroups above the members of an instance, with v2 or in v1's hierarchy of memory.
    private static func cgroups(of instance: String) -> [String] {
        ["/sys/fs/cgroup", "/sys/fs/cgroup/memory"].flatMap { mount in
            let names = (try? FileManager.default.contentsOfDirectory(atPath: mount)) ?? []
            return names.filter { $0.hasPrefix("berth-\(instance)") }.map { "\(mount)/\($0)" }
        }
    }
}
