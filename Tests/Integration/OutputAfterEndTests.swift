// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Foundation
import Testing
import TestSupport

@Suite("What programs leave when they end, in real containers", .serialized)
struct OutputAfterEndTests {
    private static let tee = ["bash", "-c", "exec > >(tee /tmp/l) 2>&1; seq 3000; echo LAST"]
    private static let whole = (1...3000).map { "\($0)\n" }.joined() + "LAST\n"

    @Test(
        "what a helper still has in hand at the program's end comes whole, with a lease and without",
        arguments: Runtime.allCases)
    func helper(_ runtime: Runtime) async throws {
        try await ServerProcess.with(runtime, ["--size", "2"]) { server in
            let lease = try await berth(["acquire"], environment: ["BERTH_SERVER": server.address])
            let token = lease.out.split(whereSeparator: \.isWhitespace).first.map(String.init) ?? ""
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            // Beside another program, it has a supervisor.
            let beside = client.execute(Command(["sleep", "1000"]), in: Lease(token: token))
            _ = try await beside.id
            for round in 0..<20 {
                let own = try await server.run(["--"] + OutputAfterEndTests.tee)
                #expect(own.out == OutputAfterEndTests.whole && own.status == 0, "round \(round): \(own.err)")
                let leased = try await server.run(["--lease", token, "--"] + OutputAfterEndTests.tee)
                #expect(leased.out == OutputAfterEndTests.whole && leased.status == 0, "round \(round): \(leased.err)")
            }
            // Silent, it costs no more than the short grace; the long one is a second.
            let took = try await ContinuousClock().measure {
                let silent = try await client.run(Command(shell: "sleep 1000 & echo on"), in: Lease(token: token))
                #expect(silent.text == "on\n")
            }
            #expect(took < .milliseconds(900))
        }
    }

    @Test("the times that are left to helpers are settings", arguments: [Runtime.runc])
    func settings(_ runtime: Runtime) async throws {
        let file = "/tmp/berth-grace-\(UUID().uuidString).yaml"
        try "output_grace: 20s\nmax_output_grace: 20s\n".write(toFile: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: file) }
        try await ServerProcess.with(runtime, ["--size", "1", "--config", file]) { server in
            let late = try await server.run(["--shell", "(sleep 1.5; echo late) & echo on"])
            #expect(late.out == "on\nlate\n")
        }
    }

    @Test("a web server that was left running answers, however often it is asked", arguments: Runtime.allCases)
    func keptServer(_ runtime: Runtime) async throws {
        try await ServerProcess.with(runtime, ["--size", "1"]) { server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            let lease = try await client.acquire()
            var start = Command(shell: "python3 -m http.server --bind 127.0.0.1 8000 & echo on")
            start.keepsBackground = true
            #expect(try await client.run(start, in: lease).text == "on\n")
            // Each request makes it write a line to its standard error.
            let ask = """
                import time, urllib.request
                def get():
                    for attempt in range(200):
                        try: return urllib.request.urlopen("http://127.0.0.1:8000/", timeout=5).status
                        except OSError: time.sleep(0.05)
                print(sum(get() == 200 for round in range(1000)))
                """
            #expect(try await client.run(Command(["python3", "-c", ask]), in: lease).text == "1000\n")
        }
    }

    @Test("programs that keep nothing in the background never run out of places for it")
    func keptNothing() async throws {
        try await ServerProcess.with(.runc, ["--size", "1"]) { server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            let lease = try await client.acquire()
            var command = Command(["true"])
            command.keepsBackground = true
            for round in 0..<300 {
                let ended = try await client.run(command, in: lease).ended
                #expect(ended.cause == .exited && ended.exitCode == 0, "round \(round): \(ended)")
            }
        }
    }

    @Test("piped input ends a program at a terminal that is slow to set it up", arguments: Runtime.allCases)
    func pipedTerminal(_ runtime: Runtime) async throws {
        try await ServerProcess.with(runtime, ["--size", "1"]) { server in
            let told = try await server.run(
                ["-it", "--timeout", "30s", "--", "python3", "-q"], input: "print(6 * 7)\n")
            #expect(told.status == 0, "\(told)")
            #expect(told.out.contains("42\r\n"))
        }
    }

    @Test("--merge is one stream in the order of writing; --no-echo shows nothing of what is typed")
    func flags() async throws {
        try await ServerProcess.with(.runc, ["--size", "1"]) { server in
            let script = "for i in 1 2 3 4 5 6 7 8 9; do echo out $i; echo err $i >&2; done"
            let merged = try await server.run(["--merge", "--shell", script])
            #expect(merged.out == (1...9).map { "out \($0)\nerr \($0)\n" }.joined())
            #expect(merged.err.isEmpty)
            let typed = try await server.run(
                ["-it", "--no-echo", "--timeout", "30s", "--", "sh", "-c", "read line; echo got-$line"],
                input: "secret\n")
            #expect(typed.out == "got-secret\r\n")
            #expect(typed.status == 0)
            let alone = try await server.run(["--no-echo", "--", "true"])
            #expect(alone.status == 125 && alone.err.contains("--no-echo needs -t"), "\(alone)")
        }
    }

    @Test(
        "memory that is used up is told as that, whichever process the kernel takes, the agent included",
        arguments: Runtime.allCases)
    func agentIsTaken(_ runtime: Runtime) async throws {
        let flags = ["--size", "2", "--memory", "64m", "--tmpfs", "300m"]
        try await ServerProcess.with(runtime, flags) { server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            // Memory that belongs to no process, and programs that the kernel has no reason to prefer to the agent.
            for shell in [
                "exec dd if=/dev/zero of=/tmp/y bs=1M count=200 2>/dev/null",
                "echo 0 > /proc/self/oom_score_adj; exec dd if=/dev/zero of=/tmp/y bs=1M count=200 2>/dev/null",
            ] {
                for round in 0..<6 {
                    let told = try await client.run(Command(shell: shell), wait: .seconds(60)).ended
                    #expect(told.cause == .outOfMemory, "round \(round) of \(shell): \(told)")
                    #expect(told.outOfMemoryKills > 0)
                }
            }
            let told = try await server.run(
                ["--wait", "60s", "--shell", "echo 0 > /proc/self/oom_score_adj; dd if=/dev/zero of=/tmp/y bs=1M"])
            #expect(told.status == 137, "\(told)")
        }
    }
}
