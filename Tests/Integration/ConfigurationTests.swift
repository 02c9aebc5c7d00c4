// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Foundation
import Testing
import TestSupport

@Suite("A server with a configuration file", .serialized)
struct ConfigurationTests {
    private func file(_ firstSize: Int, memory: String = "128m", more: String = "") -> String {
        """
        tick: 1s
        pools:
          first:
            image: host
            size: \(firstSize)
            memory: \(memory)
          second:
            image: host
            size: 1
            tmpfs: 8m
        \(more)
        """
    }

    private func idle(_ client: BerthClient, _ pool: String) async throws -> Int? {
        try await client.stats().pools.first { $0.name == pool }.map { Int($0.idle) }
    }

    /// Polls until `condition` holds.
    private func wait(_ what: String, _ condition: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while try await !condition() {
            guard ContinuousClock.now < deadline else { throw NeverHappened(description: what) }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    @Test("two pools serve; SIGHUP changes them, a broken file changes nothing, and no lease is dropped")
    func reload() async throws {
        try await withFile(file(1)) { path in
            try await ServerProcess.with(.runc, ["--config", path]) { server in
                for pool in ["first", "second"] {
                    let result = try await server.run(["--pool", pool, "--", "df", "-k", "--output=size", "/tmp"])
                    #expect(result.status == 0, "\(result.err)")
                    #expect(result.out.contains(pool == "first" ? "65536" : "8192"))
                }
                let client = try await BerthClient.connect(to: try ServerAddress(server.address))
                defer { client.close() }
                let lease = try await client.acquire(pool: "first", wait: .seconds(30))
                let held = try Program(
                    BuildProducts.program("berth"),
                    [
                        "run", "--server", server.address, "--pool", "first", "--", "sh", "-c",
                        "echo up; sleep 6; echo done",
                    ])
                try await eventually("it runs") { held.out.contains("up") }

                // Other containers, and more of them, and a new pool.
                try file(3, memory: "64m", more: "  third: {image: host, size: 1}\nuid: 1001")
                    .write(toFile: path, atomically: true, encoding: .utf8)
                server.program.signal(SIGHUP)
                try await wait("the pools are as the file says") {
                    let (first, third) = (try await idle(client, "first"), try await idle(client, "third"))
                    return first == 3 && third == 1
                }
                #expect(server.program.err.contains("config.key=uid"))

                try "pools: {first: {size: many}}\ntick: never\n".write(toFile: path, atomically: true, encoding: .utf8)
                server.program.signal(SIGHUP)
                try await eventually("it is refused") { server.program.err.contains("the old one stays") }
                #expect(server.program.err.contains("\(path):1: pools.first.size: many is not a whole number"))
                #expect(server.program.err.contains("\(path):2: tick: never is not a duration"))
                #expect(try await idle(client, "third") == 1)

                // A pool that is gone.
                try file(3, memory: "64m").write(toFile: path, atomically: true, encoding: .utf8)
                server.program.signal(SIGHUP)
                try await wait("the third pool is gone") { try await idle(client, "third") == nil }

                #expect(try await held.end() == 0)
                #expect(held.out == "up\ndone\n")
                let output = try await client.execute(Command(["echo", "mine"]), in: lease).collect()
                #expect(output.stdout == Array("mine\n".utf8))
                try await client.release(lease)
            }
        }
    }

    @Test("with Docker two pools have two images; one that is not to be had is refused at a reload")
    func images() async throws {
        let text = "pools:\n  shell: {image: 'busybox:latest', size: 1}\n  python: {size: 1}\n"
        try await withFile(text) { path in
            try await ServerProcess.with(.docker, ["--config", path]) { server in
                let shell = try await server.run(["--", "sh", "-c", "command -v python3 || echo none"])
                #expect(shell.out == "none\n", "the first pool is the default: \(shell.err)")
                let python = try await server.run(["--pool", "python", "--", "python3", "-c", "print(6 * 7)"])
                #expect(python.out == "42\n", "\(python.err)")

                for (image, words) in [
                    ("no/such:image", "no/such:image"), ("host", "which Docker can't use"),
                ] {
                    try (text + "  other: {image: '\(image)'}\n").write(toFile: path, atomically: true, encoding: .utf8)
                    let refusals = server.program.err.components(separatedBy: "the old one stays").count
                    server.program.signal(SIGHUP)
                    try await eventually("\(image) is refused") {
                        server.program.err.components(separatedBy: "the old one stays").count > refusals
                    }
                    #expect(server.program.err.contains(words))
                }
                let other = try await server.run(["--pool", "other", "--", "true"])
                #expect(other.err.contains("there is: shell, python"), "\(other.err)")
            }
        }
    }

    @Test("berth config prints what reads back as itself, and serve takes it")
    func config() async throws {
        let first = try await berth(["config", "--size", "3", "--listen", "127.0.0.1:0"])
        #expect(first.status == 0)
        #expect(first.out.contains("\n    size: 3\n"))
        #expect(first.err.isEmpty)
        try await withFile(first.out) { path in
            let second = try await berth(["config", "--config", path])
            #expect(second.out == first.out)
            try await ServerProcess.with(.runc, ["--config", path]) { server in
                let result = try await server.run(["--", "echo", "hello"])
                #expect(result.out == "hello\n")
            }
        }
    }

    @Test("five mistakes are five lines, and exit code 2")
    func mistakes() async throws {
        let text = "listen: 0.0.0.0:1\nruntme: runc\nuid: 0\npools:\n  a:\n    size: 9\n    max: 3\n    memory: 1x\n"
        try await withFile(text) { path in
            for command in ["serve", "config"] {
                let result = try await berth([command, "--config", path])
                #expect(result.status == 2)
                #expect(result.out.isEmpty)
                let lines = result.err.split(separator: "\n").map(String.init)
                #expect(lines.count == 5, "\(result.err)")
                for (line, start) in zip(lines, ["1: listen: ", "2: runtme: ", "3: uid: ", "6: pools.a.size: ", "8: "])
                {
                    #expect(line.hasPrefix("\(path):\(start)"), "\(line)")
                }
            }
        }
        let missing = try await berth(["serve", "--config", "/nowhere/berth.yaml"])
        #expect(missing.status == 2)
        #expect(missing.err == "berth: --config /nowhere/berth.yaml: the file can't be read: there is no such file\n")
    }
}
