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

    /// Runs `body` with a context of Python, in a container of runc.
    private static func withContext(_ body: (BerthClient, Context) async throws -> Void) async throws {
        try await ServerProcess.with(.runc, ["--size", "1", "--max", "1"]) { server in
            try await server.withClient { client in
                let lease = try await client.acquire()
                try await body(client, try await client.openContext("python", in: lease))
                try await client.release(lease)
            }
        }
    }

    @Test("20 copies that are asked for at once cost the interpreter a few forks, not two for each")
    func forks() async throws {
        try await Self.withContext { client, context in
            let count = "forks = 0\ndef forked():\n    global forks\n    forks += 1\n"
            try await client.run("import os\n\(count)os.register_at_fork(before=forked)", in: context)
            let copies = try await withThrowingTaskGroup(of: Context.self) { group in
                for _ in 0..<20 { group.addTask { try await client.forkContext(context) } }
                return try await group.reduce(into: [Context]()) { $0.append($1) }
            }
            // Each copy has those before it.
            let forks = try #require(Int(try await client.run("forks", in: context).value ?? ""))
            #expect((1...5).contains(forks))
            for copy in copies { #expect(try await client.run("forks > 1", in: copy).value == "True") }
            // What makes copies has ended by now, and is no child that a piece could wait for.
            let wait = "try: os.wait()\nexcept ChildProcessError: print('none')"
            #expect(try await client.run(wait, in: context).text == "none\n")
        }
    }

    @Test("a copy whose maker is killed is none, at once; and the interpreter goes on, and can be copied")
    func killedMaker() async throws {
        try await Self.withContext { client, context in
            let hook = "lambda: os.getpid() == original or deadly and os.kill(os.getpid(), 9)"
            let code = "original, deadly = os.getpid(), True\nos.register_at_fork(before=\(hook))"
            try await client.run("import os\n\(code)", in: context)
            let began = ContinuousClock.now
            let error = await #expect(throws: BerthError.self) { try await client.forkContext(context) }
            #expect(error?.reason == .contextStartFailed)
            #expect(error?.message.contains("the copy ended before it took any code") == true)
            // Else it is found out after 10 s, and costs the original.
            #expect(ContinuousClock.now - began < .seconds(5))
            try await client.run("deadly = False", in: context)
            let copy = try await client.forkContext(context)
            #expect(try await client.run("deadly", in: copy).value == "False")
        }
    }

    @Test("the ends of copies are heard, whatever a piece does with its children, and while more copies are made")
    func ends() async throws {
        for handler in ["signal.SIG_DFL", "signal.SIG_IGN", "lambda *_: os.waitpid(-1, os.WNOHANG)"] {
            try await Self.withContext { client, context in
                try await client.run("import os, signal\nsignal.signal(signal.SIGCHLD, \(handler))", in: context)
                let before = try await Self.processes(client, context.lease)
                // More of them than there may be at a time.
                for _ in 0..<40 {
                    let copy = try await client.forkContext(context)
                    try await client.closeContext(copy)
                }
                try await eventually("only the original is left") {
                    try await Self.processes(client, context.lease) == before
                }
                #expect(try await client.run("1", in: context).value == "1")
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
