// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Foundation
import Testing
import TestSupport

@Suite("A server's life: draining, dying, and runtimes that fail", .serialized)
struct LifeTests {
    @Test(
        "a server killed by SIGKILL in the middle of 20 executions leaves nothing behind", arguments: Runtime.allCases)
    func killed(_ runtime: Runtime) async throws {
        let server = try await ServerProcess.start(runtime, ["--size", "2", "--max", "24", "--create-timeout", "120s"])
        do {
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            let executions = (0..<20).map { _ in
                client.execute(Command(["sleep", "1000"]), wait: .seconds(120))
            }
            for execution in executions {
                for try await event in execution {
                    if case .started = event { break }
                }
            }
            // Leaving the loops has not ended them: they are held until here.
            let running = try await client.stats().executions
            #expect(running == 20)
            server.program.signal(SIGKILL)
            _ = try await server.program.end()
            try await server.nothingIsLeft(within: .seconds(10))
            withExtendedLifetime(executions) {}
        } catch {
            server.program.signal(SIGKILL)
            throw NeverHappened(description: "\(error); the server's log:\n\(server.program.err)")
        }
    }

    @Test("SIGTERM waits for what runs; a second one does not", arguments: Runtime.allCases)
    func draining(_ runtime: Runtime) async throws {
        for hurries in [false, true] {
            let server = try await ServerProcess.start(runtime, ["--drain-time", "60s"])
            do {
                let script = hurries ? "echo ready; sleep 1000" : "echo ready; sleep 1; echo done"
                let program = try Program(
                    BuildProducts.program("berth"), ["run", "--server", server.address, "--", "sh", "-c", script])
                try await eventually("it runs") { program.out.contains("ready") }
                server.program.signal(SIGTERM)
                try await eventually("it drains") { server.program.err.contains("draining") }
                let refused = try await berth(["run", "--server", server.address, "--", "true"])
                #expect(refused.status == 125)
                if hurries { server.program.signal(SIGTERM) }
                let status = try await program.end(within: .seconds(20))
                #expect(status == (hurries ? 125 : 0), "\(program.err)")
                if hurries {
                    #expect(program.err.contains("shutting down"))
                } else {
                    #expect(program.out == "ready\ndone\n")
                }
                #expect(try await server.program.end(within: .seconds(20)) == 0)
                try await server.nothingIsLeft()
            } catch {
                server.program.signal(SIGKILL)
                throw NeverHappened(description: "\(error); the server's log:\n\(server.program.err)")
            }
        }
    }

    @Test("an image that is missing is pulled from its registry; one that is not to be had is told in one line")
    func pull() async throws {
        guard let registry = ProcessInfo.processInfo.environment["BERTH_TEST_REGISTRY"] else {
            throw MissingPart("BERTH_TEST_REGISTRY: run the tests with: dev/with-docker swift test")
        }
        let image = "\(registry)/library/python:3.9-slim"
        let engine = try Runtime.docker()
        let remove = try Program(try tool("docker"), ["-H", engine, "rmi", "-f", image])
        _ = try await remove.end()
        let list = try Program(try tool("docker"), ["-H", engine, "images", "-q", image])
        _ = try await list.end()
        #expect(list.out.isEmpty, "it is missing now")
        try await ServerProcess.with(.docker, ["--image", image]) { server in
            let result = try await server.run(["--", "python3", "-c", "print(6 * 7)"])
            #expect(result.out == "42\n")
            #expect(server.program.err.contains("pull"))
        }
        let unknown = try await berth(
            ["serve", "--listen", "127.0.0.1:0", "--state-dir", "/tmp/berth-no-image"]
                + (try Runtime.docker.arguments())
                + ["--image", "\(registry)/no/such:image"])
        #expect(unknown.status == 1)
        #expect(unknown.err.contains("image \(registry)/no/such:image is not there and can't be pulled"))
        #expect(unknown.err.split(separator: "\n").filter { $0.hasPrefix("berth: ") }.count == 1)
        try? FileManager.default.removeItem(atPath: "/tmp/berth-no-image")
    }

    @Test(
        "with --reuse reset the same container serves the next lease, and shows nothing of the last",
        arguments: Runtime.allCases)
    func reuse(_ runtime: Runtime) async throws {
        try await ServerProcess.with(runtime, ["--reuse", "reset", "--size", "1", "--max", "1"]) { server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            let first = try await client.acquire(wait: .seconds(60))
            let plant =
                "echo secret > /tmp/a; mkdir /workspace/b; echo x > /workspace/b/.c; umask 077; "
                + "(setsid sleep 1000 &) ; cd /tmp; export SECRET=1; echo planted"
            #expect(
                try await client.execute(Command(["sh", "-c", plant]), in: first).collect().stdout
                    == Array("planted\n".utf8))
            try await client.release(first)
            let second = try await client.acquire(wait: .seconds(60))
            #expect(second.member == first.member)
            #expect(second.token != first.token)
            // Of processes there are the agent, this program and its supervisor.
            let look = "ls -A /tmp /workspace; echo $SECRET $PWD; ls -d /proc/[0-9]* | wc -l"
            let seen = try await client.execute(Command(["sh", "-c", look]), in: second).collect()
            let lines = String(decoding: seen.stdout, as: UTF8.self).split(separator: "\n").map(String.init)
            #expect(lines.prefix(3) == ["/tmp:", "/workspace:", "/workspace"], "\(lines)")
            #expect(lines.last.flatMap { Int($0) }.map { $0 <= 5 } == true, "\(lines)")
            let pool = try await client.stats().pools[0]
            #expect(pool.creates == 1)
            #expect(pool.recycled == 1)
        }
    }

    @Test("B13: a server that can't start leaves no directory behind")
    func failedStart() async throws {
        let base = "/tmp/berth-failed-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: base) }
        let result = try await berth([
            "serve", "--listen", "127.0.0.1:0", "--state-dir", base, "--runtime", "runc", "--image", "/no/such/root",
        ])
        #expect(result.status != 0)
        try await eventually("nothing is left in \(base)") {
            try FileManager.default.contentsOfDirectory(atPath: base).isEmpty
        }
    }

    @Test("B13: a signal while an engine is waited for leaves no directory behind", arguments: [SIGTERM, SIGKILL])
    func endedWhileStarting(_ signal: Int32) async throws {
        let base = "/tmp/berth-ended-\(UUID().uuidString.prefix(8))"
        let files = FileManager.default
        try files.createDirectory(atPath: base, withIntermediateDirectories: true)
        defer { try? files.removeItem(atPath: base) }
        // An engine that takes connections and never answers.
        let code =
            "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); s.accept(); input()"
        let engine = try Program(try tool("python3"), ["-c", code, "\(base)/engine"])
        defer { engine.signal(SIGKILL) }
        try await eventually("the engine listens") { files.fileExists(atPath: "\(base)/engine") }
        let server = try Program(
            BuildProducts.program("berth"),
            [
                "serve", "--listen", "127.0.0.1:0", "--state-dir", "\(base)/state", "--runtime", "docker",
                "--docker-host", "unix://\(base)/engine",
            ])
        try await eventually("the server has a directory, and a janitor for it") {
            let instances = (try? files.contentsOfDirectory(atPath: "\(base)/state")) ?? []
            return !instances.isEmpty && isRunning("berth-janitor\0\(base)/state")
        }
        server.signal(signal)
        _ = try await server.end()
        try await eventually("nothing is left in \(base)/state") {
            try files.contentsOfDirectory(atPath: "\(base)/state").isEmpty
        }
    }

    /// Whether there is a process whose arguments, each followed by a NUL, contain this.
    private func isRunning(_ arguments: String) -> Bool {
        let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return processes.contains { process in
            let line = try? Data(contentsOf: URL(fileURLWithPath: "/proc/\(process)/cmdline"))
            return line.map { String(decoding: $0, as: UTF8.self).contains(arguments) } ?? false
        }
    }

    @Test("a second server of the same instance is refused by name")
    func instanceIsLocked() async throws {
        try await ServerProcess.with(.runc) { server in
            let second = try await berth([
                "serve", "--listen", "127.0.0.1:0", "--runtime", "runc", "--image", "host", "--instance",
                server.instance,
                "--state-dir", server.stateDirectory,
            ])
            #expect(second.status == 2)
            #expect(second.err.contains(server.instance))
        }
    }

    @Test("a warm member that dies is replaced by another")
    func memberDies() async throws {
        try await ServerProcess.with(.runc, ["--size", "1"]) { server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            func idle() async throws -> [String] {
                try await client.members().filter { $0.state == .idle }.map(\.id)
            }
            try await eventually("one is warm") { try await idle().count == 1 }
            let first = try #require(try await idle().first)
            kill(try await server.agent(of: first), SIGKILL)
            try await eventually("another is warm") {
                let now = try await idle()
                return now.count == 1 && now != [first]
            }
            let pool = try await client.stats().pools[0]
            #expect(pool.creates == 2 && pool.createFailures == 0 && pool.destroyed == 1, "\(pool)")
            let output = try await client.execute(Command(["echo", "fine"])).collect()
            #expect(output.stdout == Array("fine\n".utf8))
        }
    }

    @Test("a fork bomb and a hog end with their container, and the next program finds nothing of them")
    func bombs() async throws {
        try await ServerProcess.with(.runc, ["--size", "1"]) { server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            for _ in 0..<3 {
                // Without a fork that succeeds, the shell itself gives up: that, too, is an end.
                let bomb = Command(["sh", "-c", "f() { f | f & }; f; sleep 1000"], timeout: .milliseconds(300))
                let ended = try await client.execute(bomb, wait: .seconds(60)).collect().ended
                #expect(ended.cause == .timedOut || ended.cause == .exited && ended.exitCode != 0, "\(ended)")
                let look = Command(["sh", "-c", "ls -d /proc/[0-9]* | wc -l"])
                let seen = try await client.execute(look, wait: .seconds(60)).collect()
                // The agent, the shell, `ls` and `wc`; perhaps a supervisor.
                let count = try #require(Int(String(decoding: seen.stdout.dropLast(), as: UTF8.self)))
                #expect((3...5).contains(count), "\(count) processes")
            }
            let hog = Command(["python3", "-c", "x = bytearray(1 << 30)\nfor i in range(0, 1 << 30, 4096): x[i] = 1"])
            let ended = try await client.execute(hog, wait: .seconds(60)).collect().ended
            #expect(ended.cause == .outOfMemory, "\(ended)")
            let fine = try await client.execute(Command(["echo", "fine"]), wait: .seconds(60)).collect()
            #expect(fine.stdout == Array("fine\n".utf8))
            let pool = try await client.stats().pools[0]
            #expect(pool.leases == 8 && pool.createFailures == 0, "\(pool)")
        }
    }
}
