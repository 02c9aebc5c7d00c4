// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Foundation
import Pool
import Testing
import TestSupport

@Suite("Execute, through every layer but the container")
struct ExecuteTests {
    @Test("a program's output and end come back, in a lease and without one")
    func roundTrip() async throws {
        try await TestServer.with { _, client in
            let lease = try await client.acquire()
            let command = Command.shell("printf hello; printf oops >&2; exit 7")
            for execution in [client.execute(command, in: lease), client.execute(command)] {
                let output = try await execution.collect()
                #expect(output.stdout.text == "hello")
                #expect(output.stderr.text == "oops")
                #expect(output.ended.cause == .exited)
                #expect(output.ended.exitCode == 7)
                #expect(output.ended.stdoutBytes == 5)
                #expect(output.ended.stderrBytes == 4)
                #expect(output.ended.usage.wallMicroseconds > 0)
                #expect(output.ended.usage.peakMemoryBytes > 0)
            }
            try await client.release(lease)
        }
    }

    @Test("output comes while the program runs: it goes on only when its first line has arrived")
    func streaming() async throws {
        try await TestServer.with { _, client in
            let flag = "/tmp/berth-test-\(UUID().uuidString)"
            defer { try? FileManager.default.removeItem(atPath: flag) }
            let execution = client.execute(.shell("echo first; until [ -e \(flag) ]; do :; done; echo second"))
            var text = ""
            for try await event in execution {
                guard case .output(let output) = event else { continue }
                if text.isEmpty { #expect(FileManager.default.createFile(atPath: flag, contents: nil)) }
                text += output.data.text
            }
            #expect(text == "first\nsecond\n")
        }
    }

    @Test("events come in order: started, output without gaps, ended; nothing after")
    func order() async throws {
        try await TestServer.with { _, client in
            var offsets: [BerthSchema.OutputStream: UInt64] = [:]
            var names: [String] = []
            for try await event in client.execute(.shell("head -c 3000000 /dev/zero; head -c 500000 /dev/zero >&2")) {
                switch event {
                case .started: names.append("started")
                case .ended(let ended):
                    names.append("ended")
                    #expect(ended.stdoutBytes == 3_000_000)
                case .output(let output):
                    #expect(output.offset == offsets[output.stream, default: 0])
                    #expect(output.data.count <= 32 << 10)
                    offsets[output.stream, default: 0] += UInt64(output.data.count)
                case .dropped, .display, .failure, .prompt, .outputEnded, .unknown: names.append("unknown")
                }
            }
            #expect(names == ["started", "ended"])
            #expect(offsets == [.stdout: 3_000_000, .stderr: 500_000])
        }
    }

    @Test("standard input, environment and working directory reach the program")
    func surroundings() async throws {
        try await TestServer.with { _, client in
            let input = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let echoed = try await client.execute(Command(["cat"], cwd: "/", stdin: input)).collect()
            #expect(echoed.stdout == input)
            let script = "echo $PWD $A $HOME $LANG $TERM $IMAGE_SAYS $PATH; id -u"
            let command = Command(["sh", "-c", script], env: ["A": "ü =x", "TERM": "vt100"], cwd: "/usr")
            let lines = try await client.execute(command).collect().stdout.text
            #expect(
                lines == """
                    /usr ü =x /workspace C.UTF-8 vt100 hello \
                    /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
                    1000

                    """)
        }
    }

    @Test("ends are typed: signal, time-out, not found, not executable, no such directory")
    func ends() async throws {
        try await TestServer.with { _, client in
            let killed = try await client.execute(.shell("kill -11 $$")).collect().ended
            #expect(killed.cause == .signalled)
            #expect(killed.signal == 11)
            let late = try await client.execute(.shell("sleep 60", timeout: .milliseconds(50))).collect().ended
            #expect(late.cause == .timedOut)
            let missing = try await client.execute(Command(["no-such-program"], cwd: "/")).collect().ended
            #expect(missing.cause == .startFailed)
            #expect(missing.startFailure == .programNotFound)
            #expect(missing.message.contains("no-such-program"))
            let folder = try await client.execute(Command(["/etc/passwd"], cwd: "/")).collect().ended
            #expect(folder.startFailure == .programNotExecutable)
            let nowhere = try await client.execute(Command(["true"], cwd: "/no/such/place")).collect().ended
            #expect(nowhere.startFailure == .badWorkingDirectory)
            #expect(nowhere.message.contains("/no/such/place"))
        }
    }

    @Test("Signal reaches the program; 9 takes everything it started")
    func signals() async throws {
        try await TestServer.with { _, client in
            let lease = try await client.acquire()
            let polite = client.execute(
                .shell("trap 'echo got it; exit 3' USR1; echo ready; while :; do sleep 0.01; done"), in: lease)
            var text = ""
            for try await event in polite {
                if case .output(let output) = event {
                    if text.isEmpty { try await polite.signal(10) }
                    // The group has the signal too: the shell tells on stderr that its sleep has died of it.
                    if output.stream == .stdout { text += output.data.text }
                }
                if case .ended(let ended) = event { #expect(ended.exitCode == 3) }
            }
            #expect(text == "ready\ngot it\n")
            let stubborn = client.execute(.shell("trap '' TERM; (setsid sleep 1000 & echo $!); sleep 1000"), in: lease)
            var child: Int32 = 0
            for try await event in stubborn {
                if case .output(let output) = event {
                    child = Int32(output.data.text.split(separator: "\n")[0]) ?? 0
                    stubborn.kill()
                }
                if case .ended(let ended) = event { #expect(ended.cause == .cancelled) }
            }
            #expect(child > 0)
            #expect(!isRunning(child), "the daemon is gone when the end is reported")
        }
    }

    @Test("Release ends what runs in the lease, as cancelled")
    func releaseEnds() async throws {
        try await TestServer.with { _, client in
            let lease = try await client.acquire()
            let execution = client.execute(.shell("echo ready; sleep 1000"), in: lease)
            for try await event in execution {
                if case .output = event { try await client.release(lease) }
                if case .ended(let ended) = event {
                    #expect(ended.cause == .cancelled)
                    #expect(ended.message == "the lease was released")
                }
            }
        }
    }

    @Test("when the connection closes, its programs are gone, and the lease ends")
    func connectionCloses() async throws {
        try await TestServer.with { server, client in
            let other = try await BerthClient.connect(to: server.address)
            let execution = other.execute(.shell("echo $$; exec sleep 1000"))
            var iterator = execution.makeAsyncIterator()
            var pid: Int32 = 0
            while let event = try await iterator.next() {
                guard case .output(let output) = event else { continue }
                pid = Int32(output.data.text.dropLast()) ?? 0
                break
            }
            #expect(pid > 0)
            other.close()
            try await eventually("the program's end") { !isRunning(pid) }
            try await eventually("the member's end") { try await client.stats().pools[0].leased == 0 }
        }
    }

    @Test("a program whose member dies ends as container lost")
    func containerLost() async throws {
        try await TestServer.with { server, client in
            let lease = try await client.acquire()
            let agent = try #require(server.runtime.process(of: MemberID(lease.member)))
            let execution = client.execute(.shell("echo ready; sleep 1000"), in: lease)
            for try await event in execution {
                if case .output = event { kill(agent, SIGKILL) }
                if case .ended(let ended) = event { #expect(ended.cause == .containerLost) }
            }
        }
    }

    @Test("an execution that is dropped before its end is killed")
    func dropped() async throws {
        try await TestServer.with { server, client in
            do {
                let execution = client.execute(.shell("echo ready; sleep 1000"))
                for try await event in execution {
                    if case .output = event { break }
                }
            }
            try await eventually("its end") { try await client.stats().executions == 0 }
        }
    }

    @Test("an execution that nobody reads does not stop the other calls of its connection, and is killed when dropped")
    func droppedUnread() async throws {
        try await TestServer.with(PoolConfiguration(size: 2)) { _, client in
            let flood = Command.shell("head -c 30000000 /dev/zero; sleep 1000")
            do {
                let execution = client.execute(flood)
                _ = try await execution.id
                let other = try await client.run(.shell("head -c 2000000 /dev/zero"))
                #expect(other.stdout.count == 2_000_000)
                withExtendedLifetime(execution) {}
            }
            let gate = AsyncStream.makeStream(of: Void.self)
            let reader = Task {
                let execution = client.execute(flood)
                _ = try await execution.id
                for await _ in gate.stream {}
                // Cancelled already.
                for try await _ in execution {}
            }
            try await eventually("both run, or have") { try await client.stats().executions > 0 }
            reader.cancel()
            await #expect(throws: (any Error).self) { try await reader.value }
            try await eventually("both are killed") { try await client.stats().executions == 0 }
        }
    }

    @Test("a client that does not read stops its own program, and gets every byte when it reads on")
    func slowReader() async throws {
        try await TestServer.with { server, client in
            let slow = try await BerthClient.connect(to: server.address)
            let execution = slow.execute(.shell("head -c 30000000 /dev/zero | tr '\\0' x"))
            var iterator = execution.makeAsyncIterator()
            _ = try await iterator.next()
            let output = try await client.execute(.shell("echo other")).collect()
            #expect(output.stdout.text == "other\n")
            #expect(try await client.stats().executions == 1, "the slow one still runs")
            var count = 0
            while let event = try await iterator.next() {
                if case .output(let output) = event { count += output.data.count }
            }
            #expect(count == 30_000_000)
            slow.close()
        }
    }

    @Test("a hundred executions at once on one connection")
    func many() async throws {
        try await TestServer.with(PoolConfiguration(size: 4, max: 12)) { _, client in
            try await withThrowingTaskGroup(of: String.self) { group in
                for index in 0..<100 {
                    group.addTask {
                        try await client.execute(.shell("echo \(index)"), wait: .seconds(60)).collect().stdout.text
                    }
                }
                var seen: Set<String> = []
                for try await text in group { seen.insert(text) }
                #expect(seen == Set((0..<100).map { "\($0)\n" }))
            }
        }
    }
}

/// Whether a process exists and is not a zombie. An agent that is not process 1 of a container leaves zombies to
/// process 1 of the host.
private func isRunning(_ pid: Int32) -> Bool {
    guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return false }
    return stat.split(separator: ")").last?.split(separator: " ").first != "Z"
}
