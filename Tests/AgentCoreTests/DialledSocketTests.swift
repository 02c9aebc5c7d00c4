// SPDX-License-Identifier: Apache-2.0

import Digest
import Foundation
import Testing
import TestSupport

@Suite("An agent that a server dials")
struct DialledSocketTests {
    private let secret = (0..<32).map { UInt8($0) }

    /// A port that nobody has, just now.
    private func freePort() throws -> Int {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        (address.sin_family, address.sin_addr.s_addr) = (sa_family_t(AF_INET), UInt32(0x7f00_0001).bigEndian)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, size) == 0 ? getsockname(listener, $0, &size) : -1
            }
        }
        guard result == 0 else { throw NeverHappened(description: "a free port") }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    private func with(_ body: (Int, ChildProcess) async throws -> Void) async throws {
        let port = try freePort()
        let agent = try ChildProcess(
            BuildProducts.program("berth-agent"), ["--listen", "\(port)", "--proof", SHA256.hex(secret)])
        defer { agent.signal(SIGKILL) }
        try await eventually("it listens") { (try? RawSocket(port: port)) != nil }
        try await body(port, agent)
    }

    @Test("a wrong secret is turned away, the right one is let in, also in pieces, and then nothing listens")
    func secret() async throws {
        try await with { port, agent in
            let wrong = try RawSocket(port: port)
            try wrong.send([UInt8](repeating: 7, count: 32))
            #expect(try wrong.receiveIfAny(1) == nil, "it is closed")
            // These say nothing, and keep nobody out.
            let silent = try (0..<40).map { _ in try RawSocket(port: port) }
            let right = try RawSocket(port: port)
            for byte in secret { try right.send([byte]) }
            try await eventually("nothing listens") { (try? RawSocket(port: port)) == nil }
            // Closed or reset: those that the agent had not accepted yet.
            for one in silent { #expect((try? one.receive(1)) == nil) }
            #expect(agent.status == nil)
            right.close()
            try await eventually("it ends with its stream") { agent.status != nil }
        }
    }

    @Test("SIGTERM ends an agent that nobody has dialled")
    func terminated() async throws {
        try await with { _, agent in
            agent.signal(SIGTERM)
            try await eventually("it ends") { agent.status != nil }
            #expect(agent.status == 143)
        }
    }

    @Test("SIGTERM announces its end to one that was dialled: it goes on until its stream ends")
    func announced() async throws {
        try await with { port, agent in
            let server = try RawSocket(port: port)
            try server.send(secret)
            try await eventually("nothing listens") { (try? RawSocket(port: port)) == nil }
            // After that it has its own dispositions of signals.
            try await eventually("it serves") {
                let status = (try? String(contentsOfFile: "/proc/\(agent.pid)/status", encoding: .utf8)) ?? ""
                let line = status.split(separator: "\n").first { $0.hasPrefix("SigBlk:") }
                let blocked = line.flatMap { UInt64($0.dropFirst("SigBlk:".count).trimmingPrefix("\t"), radix: 16) }
                return (blocked ?? 0) >> UInt64(SIGTERM - 1) & 1 == 1
            }
            agent.signal(SIGTERM)
            agent.signal(SIGINT)
            server.close()
            try await eventually("it ends") { agent.status != nil }
            #expect(agent.status == 0)
        }
    }

    @Test("a limit that it is told of holds for it and for programs; an unknown one is no start")
    func limits() throws {
        let agent = try BuildProducts.program("berth-agent")
        #expect(try ChildProcess(agent, ["--version", "--limit", "nofile=512", "--limit", "core=0"]).wait() == 0)
        for limit in ["nofile", "nofile=x", "patience=3"] {
            #expect(try ChildProcess(agent, ["--version", "--limit", limit]).wait() == 1)
        }
    }

    @Test("it takes a filter of system calls from a file, and brings itself to another place")
    func filterAndInstallation() throws {
        let base = "/tmp/berth-agent-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: base, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: base) }
        let agent = try BuildProducts.program("berth-agent")
        #expect(try ChildProcess(agent, ["--install", "\(base)/agent"]).wait() == 0)
        let (copy, original) = (URL(fileURLWithPath: "\(base)/agent"), URL(fileURLWithPath: agent))
        #expect(try Data(contentsOf: copy) == Data(contentsOf: original))
        // BPF_RET | BPF_K, which allows everything; and what is no program.
        for (program, isWhole) in [("060000000000ff7f\n", true), ("060000000000ff", false), ("xy", false)] {
            try program.write(toFile: "\(base)/filter", atomically: true, encoding: .utf8)
            let status = try ChildProcess("\(base)/agent", ["--version", "--filter", "\(base)/filter"]).wait()
            #expect((status == 0) == isWhole, "\(program): \(status)")
        }
    }
}
