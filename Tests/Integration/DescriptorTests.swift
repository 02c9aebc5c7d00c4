// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Foundation
import Testing
import TestSupport

/// Item B12.
@Suite("A server whose hard limit of descriptors is lower than what wants to connect", .serialized)
struct DescriptorTests {
    /// Opens connections that send nothing, and keeps them until it is killed.
    private static let flood = """
        import resource, signal, socket, sys
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
        address = (sys.argv[1], int(sys.argv[2]))
        held = [socket.create_connection(address) for _ in range(int(sys.argv[3]))]
        print(len(held), flush=True)
        signal.pause()
        """

    @Test(
        "B12: 1500 idle connections at a limit of 1024 descriptors spin nothing, hold up nobody who is in, fail no create, and go without a trace"
    )
    func hardLimit() async throws {
        let under = [try tool("prlimit"), "--nofile=1024:1024"]
        try await ServerProcess.with(.runc, ["--size", "1", "--max", "4"], under: under) { server in
            let limits = try String(contentsOfFile: "/proc/\(server.program.pid)/limits", encoding: .utf8)
            let files = limits.split(separator: "\n").first { $0.hasPrefix("Max open files") }
            #expect(files?.split(separator: " ").filter { $0 == "1024" }.count == 2, "\(limits)")
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            let colon = try #require(server.address.lastIndex(of: ":"))
            let idle = try Program(
                try tool("python3"),
                [
                    "-c", Self.flood, "\(server.address[..<colon])",
                    "\(server.address[server.address.index(after: colon)...])", "1500",
                ])
            defer { idle.signal(SIGKILL) }
            try await eventually("1500 are connected") { idle.out == "1500\n" }
            // The kernel completes connections before they are accepted. Those over the limit are told so, or closed.
            try await eventually("those that fit are in, and the others are gone") {
                let open = try await Int(client.stats().connections)
                let descriptors = try FileManager.default.contentsOfDirectory(
                    atPath: "/proc/\(server.program.pid)/fd"
                ).count
                return open > 400 && descriptors < open + 100
            }

            // Each needs a container of its own: descriptors for that are kept.
            for number in 0..<4 {
                let output = try await client.execute(Command(["echo", "\(number)"]), wait: .seconds(30)).collect()
                #expect(output.stdout == Array("\(number)\n".utf8))
            }
            let (began, before) = (ContinuousClock.now, try cpuTime(of: server.program.pid))
            let pause = try await client.execute(Command(["sleep", "2"]), wait: .seconds(30)).collect()
            let (took, used) = (ContinuousClock.now - began, try cpuTime(of: server.program.pid) - before)
            #expect(pause.ended.cause == .exited)
            #expect(used < took / 4, "\(used) of CPU in \(took) in which nothing happens")

            // Who comes now gets a word.
            try await eventually("a new client is told why") {
                let refused = try await server.run(["--", "true"])
                return refused.status == 125 && refused.err.contains("connections are open, the limit")
            }
            let pool = try await client.stats().pools[0]
            #expect(pool.breaker == .closed && pool.createFailures == 0, "\(pool)")

            idle.signal(SIGKILL)
            _ = try await idle.end()
            try await eventually("new clients are served") {
                let served = try await server.run(["--", "echo", "in"])
                return served.status == 0 && served.out == "in\n"
            }
        }
    }

    /// The CPU time that a process has used.
    private func cpuTime(of pid: Int32) throws -> Duration {
        let text = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
        // The name in parentheses may have anything in it; after it the third field is next.
        guard let name = text.lastIndex(of: ")") else { throw NeverHappened(description: "process \(pid): \(text)") }
        let fields = text[text.index(after: name)...].split(separator: " ")
        let ticks = try [11, 12].map { try #require(Int(fields[$0])) }.reduce(0, +)
        return .milliseconds(ticks * 1000 / sysconf(Int32(_SC_CLK_TCK)))
    }
}
