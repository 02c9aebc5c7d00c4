// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import CHost
import Foundation
import Testing
import TestSupport

@Suite("A server that is upgraded in place", .serialized)
struct TakeoverTests {
    static let embedded = Runtime.allCases.filter { $0 != .docker }
    /// The longest that a new call may wait, in milliseconds. With a release build and an idle machine it is a tenth of a second;
    /// these are debug builds beside other tests.
    private static let longestPause = 3000

    /// What `count` programs write: each number once, one a line.
    private static func numbers(_ count: Int) -> String { (1...count).map { "\($0)\n" }.joined() }

    private static func counting(_ count: Int, every seconds: String = "0.02") -> Command {
        var command = Command(shell: "i=1; while [ $i -le \(count) ]; do echo $i; i=$((i+1)); sleep \(seconds); done")
        command.timeout = .seconds(120)
        return command
    }

    private static func countingWhenTold(_ count: Int) -> Command {
        var command = counting(count, every: "0.1")
        if case .shell(let line) = command.program {
            command.program = .shell("while [ ! -e /tmp/count ]; do sleep 0.5; done; \(line)")
        }
        return command
    }

    @Test(
        "keeps its process, its leases and its idle containers, and new calls wait less than a second",
        arguments: embedded)
    func leases(_ runtime: Runtime) async throws {
        try await InstalledPrograms.withServer(runtime, ["--size", "2"]) { installed, server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            let detached = try await client.acquire(isDetached: true)
            let owned = try await client.acquire()
            _ = try await client.run(Command(shell: "echo kept >/tmp/file"), in: owned)
            try await eventually("two are idle") {
                try await client.members().count { $0.state == .idle } == 2
            }
            let before = try await client.members().map(\.id).sorted()
            let began = ContinuousClock.now
            async let pause = installed.upgrade(server)
            var longest = Duration.zero
            while ContinuousClock.now - began < .seconds(2) {
                let asked = ContinuousClock.now
                _ = try await client.stats()
                longest = max(longest, ContinuousClock.now - asked)
            }
            #expect(try await pause < Self.longestPause)
            #expect(longest < .milliseconds(Self.longestPause), "\(longest)")
            #expect(try await client.members().map(\.id).sorted() == before)
            #expect(try await client.run(Command(["cat", "/tmp/file"]), in: owned).text == "kept\n")
            #expect(try await client.run(Command(["echo", "on"]), in: detached).text == "on\n")
            #expect(try await server.run(["--", "echo", "new"]).out == "new\n")
            // The connection's lease is its own still, and ends with it; the other does not.
            try await client.release(detached)
            try await client.release(detached)
        }
    }

    @Test("programs go on through several upgrades, and each byte comes once, in both directions", arguments: embedded)
    func programs(_ runtime: Runtime) async throws {
        try await InstalledPrograms.withServer(runtime, ["--size", "2"]) { installed, server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            let lease = try await client.acquire()
            let inLease = Task { try await client.run(Self.counting(150), in: lease) }
            let alone = Task { try await client.run(Self.counting(150)) }
            // It writes as fast as its reader lets it.
            let fast = Task { try await client.run(Command(shell: "seq 1 4000000 | sha256sum; seq 1 400000")) }
            var echo = Command(["cat"])
            echo.keepsStdinOpen = true
            let cat = client.execute(echo, in: lease)
            let echoed = Task { try await cat.collect() }
            var written = ""
            for upgrade in 1...3 {
                for line in 1...5 {
                    let text = "\(upgrade) \(line)\n"
                    try await cat.write(Array(text.utf8))
                    written += text
                }
                try await installed.upgrade(server)
            }
            try await cat.closeInput()
            #expect(try await echoed.value.text == written)
            for program in [inLease, alone] {
                let output = try await program.value
                #expect(output.text == Self.numbers(150))
                #expect(output.ended.cause == .exited && output.ended.exitCode == 0, "\(output.ended)")
            }
            let hash = try await server.run(["--", "sh", "-c", "seq 1 4000000 | sha256sum; seq 1 400000"]).out
            #expect(try await fast.value.text == hash)
        }
    }

    @Test("a reader that does not read, and input that nobody takes, lose nothing")
    func backpressure() async throws {
        try await InstalledPrograms.withServer(.native, ["--size", "1"]) { installed, server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            let lease = try await client.acquire()
            let unread = client.execute(Command(shell: "seq 1 1000000"), in: lease, window: 64 << 10)
            var events = unread.makeAsyncIterator()
            var text = ""
            while text.isEmpty {
                if case .output(let piece) = try await events.next() {
                    text += String(decoding: piece.data, as: UTF8.self)
                }
            }
            // The pipe is full, so this waits at the agent until the program reads.
            var command = Command(shell: "read word </tmp/go; wc -c")
            command.keepsStdinOpen = true
            _ = try await client.run(Command(["mkfifo", "/tmp/go"]), in: lease)
            let input = client.execute(command, in: lease)
            let counted = Task { try await input.collect() }
            let giving = Task { try await input.closeInput(after: [UInt8](repeating: 65, count: 2 << 20)) }
            try await installed.upgrade(server)
            _ = try await client.run(Command(shell: "echo go >/tmp/go"), in: lease)
            try await giving.value
            #expect(try await counted.value.text == "\(2 << 20)\n")
            while let event = try await events.next() {
                if case .output(let piece) = event { text += String(decoding: piece.data, as: UTF8.self) }
            }
            #expect(text == Self.numbers(1_000_000))
        }
    }

    @Test("a program whose client is away goes on, and so does an end that is held for it")
    func resumable() async throws {
        try await InstalledPrograms.withServer(.native, ["--size", "2"]) { installed, server in
            let address = try ServerAddress(server.address)
            let first = try await BerthClient.connect(to: address)
            let lease = try await first.acquire(isDetached: true)
            func start(_ command: Command) async throws -> String {
                var command = command
                (command.resumable, command.unwatched) = (.seconds(60), .wait)
                let execution = first.execute(command, in: lease)
                var events = execution.makeAsyncIterator()
                while let event = try await events.next() {
                    if case .started(let started) = event { return started.execution }
                }
                throw NeverHappened(description: "no start")
            }
            let running = try await start(Self.counting(100))
            let ended = try await start(Command(shell: "echo done; exit 3"))
            try await eventually("one has ended") {
                try await first.executions(in: lease).contains { $0.execution == ended && $0.ended != nil }
            }
            first.close()
            for _ in 1...2 { try await installed.upgrade(server) }
            let second = try await BerthClient.connect(to: address)
            defer { second.close() }
            let late = try await second.attach(running, in: lease).collect()
            #expect(late.text == Self.numbers(100) && late.ended.exitCode == 0, "\(late.ended)")
            let held = try await second.attach(ended, in: lease).collect()
            #expect(held.text == "done\n" && held.ended.exitCode == 3, "\(held.ended)")
        }
    }

    @Test("a call that waits for a container gets one after the upgrade")
    func waiting() async throws {
        try await InstalledPrograms.withServer(.native, ["--size", "1", "--max", "1"]) { installed, server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            let only = try await client.acquire()
            async let waiting = client.run(Command(["echo", "got one"]), wait: .seconds(30))
            try await eventually("it waits") { try await client.stats().pools[0].waiters == 1 }
            try await installed.upgrade(server)
            try await client.release(only)
            #expect(try await waiting.text == "got one\n")
        }
    }

    @Test("200 programs, 50 of them read, and 20 that wait for their clients go on; the pause is short")
    func load() async throws {
        try await InstalledPrograms.withServer(
            .native, ["--size", "4", "--max", "10", "--memory", "256m", "--processes", "1000"]
        ) {
            installed, server in
            let address = try ServerAddress(server.address)
            let (quiet, reading, away) = (
                try await BerthClient.connect(to: address), try await BerthClient.connect(to: address),
                try await BerthClient.connect(to: address)
            )
            defer { quiet.close(); reading.close() }
            var leases: [Lease] = []
            for _ in 1...4 { leases.append(try await reading.acquire(wait: .seconds(60), isDetached: true)) }
            // All end with the end of one file.
            for lease in leases { _ = try await quiet.run(Command(["touch", "/tmp/go"]), in: lease) }
            let waiting = (0..<130).map { number in
                let execution = quiet.execute(
                    Command(shell: "while [ -e /tmp/go ]; do sleep 0.5; done; echo \(number)"), in: leases[number % 4])
                return Task { try await execution.collect().text }
            }
            let counting = (0..<50).map { number in
                let execution = reading.execute(Self.countingWhenTold(60), in: leases[number % 4])
                return Task { try await execution.collect().text }
            }
            var ids: [(Lease, String)] = []
            for number in 0..<20 {
                var command = Self.countingWhenTold(60)
                (command.resumable, command.unwatched) = (.seconds(100), .wait)
                let execution = away.execute(command, in: leases[number % 4])
                var events = execution.makeAsyncIterator()
                let first = try await events.next()
                guard case .started(let started) = first else {
                    throw NeverHappened(description: "\(String(describing: first))")
                }
                ids.append((leases[number % 4], started.execution))
            }
            away.close()
            try await eventually("200 run", within: .seconds(60)) { try await quiet.stats().executions == 200 }
            for lease in leases { _ = try await quiet.run(Command(["touch", "/tmp/count"]), in: lease) }
            let pause = try await installed.upgrade(server)
            #expect(pause < Self.longestPause)
            print("an upgrade with 200 programs, 50 read, 20 resumable: \(pause) ms")
            for lease in leases { _ = try await quiet.run(Command(["rm", "/tmp/go"]), in: lease) }
            for (number, task) in waiting.enumerated() { #expect(try await task.value == "\(number)\n") }
            for task in counting { #expect(try await task.value == Self.numbers(60)) }
            for (lease, id) in ids {
                #expect(try await quiet.attach(id, in: lease).collect().text == Self.numbers(60))
            }
        }
    }

    @Test("a program that is broken, cut off or hangs leaves the one before serving, and programs go on")
    func broken() async throws {
        try await InstalledPrograms.withServer(.native, ["--size", "1"]) { installed, server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            let program = Task { try await client.run(Self.counting(500)) }
            let hanging = "\(installed.folder)/hanging"
            try "#!/bin/sh\nsleep 1000\n".write(toFile: hanging, atomically: true, encoding: .utf8)
            // One that says nothing is no better than one that says no.
            for (file, count) in [
                ("/bin/false", nil), ("/bin/true", nil), (hanging, nil),
                (try BuildProducts.program("berth-full"), 1 << 20),
            ] as [(String, Int?)] {
                try installed.install(file, cutTo: count)
                let line = try await installed.refusedUpgrade(server)
                #expect(
                    line.contains("installed can't go on") || line.contains("did not end")
                        || line.contains("can't be run"), "\(line)")
                #expect(try await client.run(Command(["echo", "on"])).text == "on\n")
            }
            try await installed.upgrade(server)
            #expect(try await program.value.text == Self.numbers(500))
        }
    }

    @Test("a program that reads another version of the state says so, and so does one with other settings")
    func versions() async throws {
        var bytes = Array("berth server\n".utf8)
        bytes += [0, 0, 0, 99]
        let file = berth_sealed_file(bytes, bytes.count, nil, 0)
        try #require(file >= 0)
        defer { close(file) }
        let said = Pipe()
        let check = try ChildProcess(
            try BuildProducts.program("berth-full"), ["serve", "--runtime", "native", "--check-takeover"], input: file,
            output: said.fileHandleForWriting.fileDescriptor, errors: said.fileHandleForWriting.fileDescriptor)
        #expect(check.wait() == 1)
        try said.fileHandleForWriting.close()
        let words = String(decoding: try said.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        #expect(words.contains("the state has version 99, and this program reads version"), "\(words)")
    }

    @Test("what can't go over to another program holds the upgrade up, with the reason, and goes on")
    func obstacles() async throws {
        try await InstalledPrograms.withServer(.native, ["--size", "1"]) { installed, server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            let lease = try await client.acquire()
            let context = try await client.openContext("python", in: lease)
            _ = try await client.run("x = 6", in: context)
            try installed.install(BuildProducts.program("berth-full"))
            let line = try await installed.refusedUpgrade(server)
            #expect(line.contains("1 contexts are open"), "\(line)")
            #expect(try await client.run("print(x * 7)", in: context).text == "42\n")
            try await client.closeContext(context)
            try await installed.upgrade(server)
            #expect(try await client.run(Command(["echo", "on"]), in: lease).text == "on\n")
        }
    }

    @Test("containers of Docker do not go over, and the server says so")
    func docker() async throws {
        try await InstalledPrograms.withServer(.docker, ["--size", "1"]) { installed, server in
            try installed.install(BuildProducts.program("berth-full"))
            let line = try await installed.refusedUpgrade(server)
            #expect(line.contains("the runtime docker can't go over to another program: restart the server"), "\(line)")
            #expect(try await server.run(["--wait", "60s", "--", "echo", "on"]).out == "on\n")
        }
    }

    @Test("SIGTERM in the middle of an upgrade ends the server, and nothing is left")
    func ended() async throws {
        try await InstalledPrograms.withServer(.native, ["--size", "2"]) { installed, server in
            try installed.install(BuildProducts.program("berth-full"))
            server.program.signal(SIGHUP)
            let own = "/proc/\(server.program.pid)/exe"
            let before = try FileManager.default.destinationOfSymbolicLink(atPath: own)
            #expect(before.hasSuffix("(deleted)"))
            // The moment it has become the other program, long before that handles a signal.
            try await eventually("it is another program") {
                try FileManager.default.destinationOfSymbolicLink(atPath: own) != before
            }
            server.program.signal(SIGTERM)
            try await eventually("it drains") { server.program.err.contains("draining") }
        }
    }
}
