// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import TestSupport

@Suite("The command line, against a real server on a real runtime", .serialized)
struct CommandLineTests {
    @Test("a program's output comes a line a second, as it is printed", arguments: Runtime.allCases)
    func streaming(_ runtime: Runtime) async throws {
        try await ServerProcess.with(runtime) { server in
            let script = "import time\nfor i in range(3): print(i, flush=True); time.sleep(1)"
            let program = try Program(
                BuildProducts.program("berth"), ["run", "--server", server.address, "--", "python3", "-c", script])
            #expect(try await program.end() == 0)
            #expect(program.out == "0\n1\n2\n")
            let times = program.arrivals
            try #require(times.count == 3)
            for (one, next) in zip(times, times.dropFirst()) { #expect(next - one > .milliseconds(700)) }
        }
    }

    @Test("exit codes are the program's own, and a shell's for what never ran", arguments: Runtime.allCases)
    func exitCodes(_ runtime: Runtime) async throws {
        try await ServerProcess.with(runtime, ["--size", "4"]) { server in
            let cases: [(arguments: [String], status: Int32, words: String)] = [
                (["--", "true"], 0, ""),
                (["--", "sh", "-c", "exit 42"], 42, ""),
                (["--", "sh", "-c", "kill -9 $$"], 137, ""),
                (["--timeout", "100ms", "--", "sleep", "60"], 124, "time"),
                (["--cwd", "/nowhere", "--", "true"], 125, "/nowhere"),
                (["--", "/etc/passwd"], 126, "/etc/passwd"),
                (["--", "no-such-program"], 127, "no-such-program"),
                (["--pool", "nope", "--", "true"], 125, "there is no pool \"nope\"; there is: default"),
                (["--env", "X", "--", "true"], 125, "--env \"X\" is not NAME=VALUE"),
            ]
            for (arguments, status, words) in cases {
                let result = try await server.run(arguments)
                #expect(result.status == status, "\(arguments): \(result)")
                #expect(words.isEmpty || result.err.contains(words), "\(arguments): \(result)")
                #expect(result.err.split(separator: "\n").count == (words.isEmpty ? 0 : 1), "\(arguments): \(result)")
            }
        }
    }

    @Test("stdout, stderr, stdin, environment and directory are the program's", arguments: Runtime.allCases)
    func surroundings(_ runtime: Runtime) async throws {
        try await ServerProcess.with(runtime) { server in
            let result = try await server.run(
                [
                    "-i", "--env", "NAME=wörld", "--cwd", "/tmp", "--", "sh", "-c",
                    "cat; echo $NAME $PWD $(id -u); echo e >&2",
                ],
                input: "from stdin\n")
            let words = result.out.split(whereSeparator: \.isWhitespace)
            #expect(words.dropLast() == ["from", "stdin", "wörld", "/tmp"], "\(result)")
            // One of the container's own.
            #expect(words.last.flatMap { Int($0) }.map { (70_000...99_999).contains($0) } == true, "\(result)")
            #expect(result.err == "e\n")
            #expect(result.status == 0)
        }
    }

    @Test("--json prints one event a line")
    func json() async throws {
        try await ServerProcess.with(.runc) { server in
            let result = try await server.run(["--json", "--", "sh", "-c", "printf hi; exit 3"])
            #expect(result.status == 3)
            let events = try result.out.split(separator: "\n").map { line in
                try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] ?? [:]
            }
            #expect(events.map { $0["event"] as? String } == ["started", "output", "ended"])
            try #require(events.count == 3)
            #expect(events[1]["text"] as? String == "hi")
            #expect(events[2]["exit_code"] as? Int == 3)
            #expect(events[2]["cause"] as? String == "exited")
            let failed = try await server.run(["--json", "--cwd", "/nowhere", "--", "true"])
            #expect(failed.status == 125)
            #expect(
                failed.out.contains(#""cause":"start_failed""#) && failed.out.contains(#""start_failure":"bad_cwd""#))
        }
    }

    @Test("standard input, output and error that are closed are empty, and nothing else is taken for them")
    func closedDescriptors() async throws {
        try await ServerProcess.with(.runc) { server in
            let run = "'\(try BuildProducts.program("berth"))' run --server \(server.address)"
            for (command, words) in [
                ("\(run) -i -- cat <&-; echo $?", "0\n"), ("\(run) -- seq 3 >&-; echo $?", "0\n"),
                ("\(run) -- sh -c 'seq 3 >&2; exit 4' 2>&-; echo $?", "4\n"),
                ("\(run) -i -- sh -c 'cat; exit 5' <&- >&- 2>&-; echo $?", "5\n"),
            ] {
                let program = try Program(try tool("sh"), ["-c", command])
                #expect(try await program.end(within: .seconds(20)) == 0)
                #expect(program.out == words, "\(command): \(program.err)")
            }
        }
    }

    @Test("Ctrl-C interrupts the program, and kills one that does not mind")
    func interrupt() async throws {
        try await ServerProcess.with(.runc) { server in
            for script in ["echo ready; exec sleep 1000", "trap '' INT; echo ready; while :; do sleep 1; done"] {
                let program = try Program(
                    BuildProducts.program("berth"), ["run", "--server", server.address, "--", "sh", "-c", script])
                try await eventually("it runs") { program.out.contains("ready") }
                program.signal(SIGINT)
                #expect(try await program.end(within: .seconds(10)) == 130, "\(program.err)")
            }
        }
    }

    @Test("Ctrl-C ends the wait for a container at once")
    func interruptWaiting() async throws {
        try await ServerProcess.with(.runc, ["--size", "0", "--max", "1"]) { server in
            let holder = try Program(
                BuildProducts.program("berth"),
                ["run", "--server", server.address, "--", "sh", "-c", "echo ready; exec sleep 1000"])
            try await eventually("it runs") { holder.out.contains("ready") }
            let waiting = try Program(
                BuildProducts.program("berth"), ["run", "--wait", "10m", "--server", server.address, "--", "true"])
            try await eventually("it waits") {
                try await berth(["stats", "--json", "--server", server.address]).out.contains("\"waiters\":1")
            }
            waiting.signal(SIGINT)
            #expect(try await waiting.end(within: .seconds(5)) == 130, "\(waiting.err)")
            holder.signal(SIGINT)
            #expect(try await holder.end(within: .seconds(10)) == 130)
        }
    }

    @Test("stats are there for people and for programs")
    func stats() async throws {
        try await ServerProcess.with(.runc) { server in
            try await eventually("two are warm") {
                let result = try await berth(["stats", "--json", "--server", server.address])
                let object = try JSONSerialization.jsonObject(with: Data(result.out.utf8)) as? [String: Any]
                let pools = object?["pools"] as? [[String: Any]]
                return pools?.first?["idle"] as? Int == 2
            }
            // B8: what is held for callers, and what that may reach.
            let numbers = try await berth(["stats", "--json", "--server", server.address])
            let object = try JSONSerialization.jsonObject(with: Data(numbers.out.utf8)) as? [String: Any]
            let (held, budget) = (object?["held_bytes"] as? Int, object?["held_budget_bytes"] as? Int)
            #expect(budget == 256 << 20 && held.map { $0 >= 0 && $0 < 256 << 20 } == true, "\(numbers.out)")
            let table = try await berth(["stats"], environment: ["BERTH_SERVER": server.address])
            #expect(table.out.contains("POOL"))
            #expect(table.out.contains("default"))
            #expect(table.out.contains(" of 256 MiB\n") && table.out.contains(", held for callers "), "\(table.out)")
            #expect(table.status == 0)
        }
    }

    @Test("what can't be right is told in one line, with what would be, and code 2; what can't be done with code 1")
    func badInput() async throws {
        try await ServerProcess.with(.runc) { server in
            let missing = "/tmp/berth-no-such-\(UUID().uuidString)"
            let cases: [(arguments: [String], status: Int32, words: [String])] = [
                (["serve", "--listen", "nonsense"], 2, ["\"nonsense\" is not an address", "127.0.0.1:7411"]),
                (["serve", "--listen", "127.0.0.1:99999"], 2, ["\"127.0.0.1:99999\" is not an address"]),
                (["serve", "--listen", "0.0.0.0:0"], 2, ["not loopback", "--insecure"]),
                (["serve", "--size", "9", "--max", "3"], 2, ["--size 9 is more than --max 3"]),
                (["serve", "--size", "many"], 2, ["many", "--size"]),
                (["serve", "--memory", "1x"], 2, ["1x"]),
                (["serve", "--runtime", "kvm"], 2, ["kvm", "runc"]),
                (["serve", "--uid", "0"], 2, ["root"]),
                (["serve", "--uid", "4294967295"], 2, ["not a user id"]),
                (["serve", "--execution-timeout", "0"], 2, ["--execution-timeout"]),
                (["serve", "--agent", missing], 2, [missing]),
                (["serve", "--no-such-flag"], 2, ["--no-such-flag"]),
                (["serve", "--runtime", "runc", "--network", "nosuch"], 2, ["nosuch", "\"none\" and \"host\""]),
                (["serve", "--runtime", "runc", "--image", missing], 1, [missing, "not a directory"]),
                (["serve", "--runtime", "docker", "--docker-host", "ftp://x"], 2, ["ftp://x", "unix://"]),
                (
                    ["serve", "--runtime", "docker", "--docker-host", "unix://\(missing)"], 1,
                    [missing, "Docker"]
                ),
                (
                    ["serve", "--runtime", "runc", "--image", "host", "--listen", server.address], 1,
                    ["in use", "--listen"]
                ),
                (
                    ["run", "--server", "127.0.0.1:1", "--", "true"], 125,
                    ["no Berth server at 127.0.0.1:1", "berth serve"]
                ),
                (["run", "--server", "x", "--", "true"], 125, ["\"x\" is not an address"]),
                (["run"], 125, ["command"]),
                (["run", "--timeout", "soon", "--", "true"], 125, ["soon"]),
                (["stats", "--server", "127.0.0.1:1"], 1, ["no Berth server"]),
                (["stats", "--server", "x"], 2, ["\"x\" is not an address"]),
                (["nonsense"], 2, ["nonsense"]),
            ]
            for (arguments, status, words) in cases {
                let extra = arguments.first == "serve" ? ["--state-dir", "/tmp/berth-\(server.instance)-bad"] : []
                let result = try await berth(Array(arguments.prefix(1)) + extra + arguments.dropFirst())
                #expect(result.status == status, "\(arguments): \(result)")
                let lines = result.err.split(separator: "\n").filter { $0.hasPrefix("berth: ") }
                #expect(lines.count == 1, "\(arguments): \(result)")
                for word in words { #expect(result.err.contains(word), "\(arguments): \(result)") }
                #expect(result.out.isEmpty, "\(arguments): \(result)")
            }
            try? FileManager.default.removeItem(atPath: "/tmp/berth-\(server.instance)-bad")
        }
    }
}
