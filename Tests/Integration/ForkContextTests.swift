// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Foundation
import Testing
import TestSupport

@Suite("Copies of contexts, in real containers", .serialized)
struct ForkContextTests {
    /// What runs in the container, but for who looks, one a line: its parent and its name.
    private static func processes(_ client: BerthClient, _ lease: Lease) async throws -> [String] {
        let look = """
            for stat in /proc/[0-9]*/stat; do
                read -r pid name state parent rest < $stat 2>/dev/null || continue
                [ $pid = $$ ] || echo "$parent $name"
            done
            """
        let output = try await client.run(Command(["sh", "-c", look]), in: lease)
        return output.text.split(separator: "\n").map(String.init).filter { !$0.hasPrefix("0 ") }.sorted()
    }

    @Test(
        "in containers of either runtime, copies are made, are their user's, and leave nothing when they are closed",
        arguments: Runtime.allCases)
    func runtimes(_ runtime: Runtime) async throws {
        try await ServerProcess.with(runtime, ["--size", "1", "--max", "2", "--memory", "256m"]) { server in
            try await server.withClient { client in
                let lease = try await client.acquire()
                let context = try await client.openContext("python", in: lease)
                try await client.run("import os\narray = bytearray(50 << 20); mine = 0", in: context)
                let before = try await Self.processes(client, lease)
                var copies: [Context] = []
                for number in 1...20 {
                    copies.append(try await client.forkContext(context))
                    try await client.run("mine = \(number); array[0] = \(number)", in: copies[number - 1])
                }
                // Copies of copies; and one whose original is gone.
                let second = try await client.forkContext(copies[19])
                try await client.closeContext(copies[19])
                #expect(try await client.run("mine, array[0]", in: second).value == "(20, 20)")
                let user = try await client.run("os.getuid()", in: context).value
                for (number, copy) in copies.dropLast().enumerated() {
                    let value = try await client.run("mine, array[0], os.getuid()", in: copy).value ?? ""
                    #expect(value == "(\(number + 1), \(number + 1), \(user ?? ""))")
                }
                for copy in copies.dropLast() + [second] { try await client.closeContext(copy) }
                try await eventually("only the original is left") {
                    try await Self.processes(client, lease) == before
                }
                #expect(try await client.run("mine, array[0]", in: context).value == "(0, 0)")
                try await client.release(lease)
            }
        }
    }

    @Test("a container in which copies were made can be reset, and the next lease finds nothing of them")
    func reset() async throws {
        let options = ["--size", "1", "--max", "1", "--reuse", "reset"]
        try await ServerProcess.with(.runc, options) { server in
            try await server.withClient { client in
                let first = try await client.acquire()
                let context = try await client.openContext("python", in: first)
                let copies = [try await client.forkContext(context), try await client.forkContext(context)]
                try await client.run(
                    "import subprocess; subprocess.run(['setsid', '-f', 'sleep', '1000'])", in: copies[1])
                _ = client.execute("while True: pass", in: copies[0])
                try await client.release(first)
                let second = try await client.acquire()
                #expect(second.member == first.member)
                #expect(try await Self.processes(client, second) == [])
                try await client.release(second)
            }
        }
    }
}

extension ServerProcess {
    /// Runs `body` with a client, which is closed afterwards.
    func withClient(_ body: (BerthClient) async throws -> Void) async throws {
        let client = try await BerthClient.connect(to: try ServerAddress(address))
        defer { client.close() }
        try await body(client)
    }
}
