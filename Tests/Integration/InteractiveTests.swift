// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Foundation
import Synchronization
import Testing
import TestSupport

@Suite("Live input, slow readers and lost connections, through the real binary and a real container", .serialized)
struct InteractiveTests {
    @Test("50 MB go through cat with -i, unharmed, while both sides run")
    func throughCat() async throws {
        try await ServerProcess.with(.runc) { server in
            let berth = try BuildProducts.program("berth")
            let pipeline = """
                generate() { openssl enc -aes-128-ctr -nosalt -K 0 -iv 0 -in /dev/zero 2>/dev/null | head -c 50000000; }
                generate | sha256sum; generate | "$0" run -i -- cat | sha256sum
                """
            let program = try Program(
                tool("bash"), ["-c", pipeline, berth], environment: ["BERTH_SERVER": server.address])
            #expect(try await program.end() == 0, "\(program.err)")
            let sums = program.out.split(separator: "\n")
            try #require(sums.count == 2, "\(program.out) \(program.err)")
            #expect(sums[0] == sums[1])
        }
    }

    @Test("input comes as it is typed, an end of file reaches the program, and a program may leave input unread")
    func liveInput() async throws {
        try await ServerProcess.with(.runc) { server in
            // Each line is sent when the one before has come back.
            let script = """
                folder=$(mktemp -d); trap 'rm -r "$folder"' EXIT; mkfifo "$folder/in"
                "$0" run -i -- sh -c 'while read line; do echo "got $line"; done; echo end' \
                    < "$folder/in" > "$folder/out" &
                exec 3> "$folder/in"
                for word in one two three; do
                    echo $word >&3; until grep -qs "got $word" "$folder/out"; do sleep 0.01; done
                done
                exec 3>&-; wait $!; echo "status $?" >> "$folder/out"; cat "$folder/out"
                """
            let program = try Program(
                tool("bash"), ["-c", script, BuildProducts.program("berth")],
                environment: ["BERTH_SERVER": server.address])
            #expect(try await program.end() == 0, "\(program.err)")
            #expect(program.out == "got one\ngot two\ngot three\nend\nstatus 0\n")
            let unread = try await server.run(
                ["-i", "--", "head", "-c", "3"], input: String(repeating: "x", count: 60_000))
            #expect(unread.out == "xxx")
            #expect(unread.status == 0)
            let empty = try await server.run(["-i", "--", "cat"], input: "")
            #expect(empty.status == 0)
        }
    }

    @Test("a slow reader does not delay a fast one on the same connection, and misses nothing")
    func slowBesideFast() async throws {
        try await ServerProcess.with(.runc) { server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            let slow = client.execute(Command(shell: "head -c 20000000 /dev/zero | tr '\\0' x; echo end"))
            var iterator = slow.makeAsyncIterator()
            _ = try await iterator.next()
            let fast = try await client.run(Command(shell: "head -c 5000000 /dev/zero; echo end"))
            #expect(fast.stdout.count == 5_000_004)
            var count = 0
            while let event = try await iterator.next() {
                if case .output(let output) = event {
                    #expect(output.offset == UInt64(count))
                    count += output.data.count
                }
            }
            #expect(count == 20_000_004)
        }
    }

    @Test("output that is resumed over connections that are cut again and again joins without a gap")
    func resumed() async throws {
        try await ServerProcess.with(.runc) { server in
            let proxy = try CuttableProxy(to: server.address)
            defer { proxy.close() }
            let program = try Program(
                BuildProducts.program("berth"),
                [
                    "run", "--resumable", "1m", "--unwatched", "wait", "--server", proxy.address, "--", "sh", "-c",
                    "i=0; while [ $i -lt 60000 ]; do echo line-$i; i=$((i+1)); done; exit 5",
                ])
            for cut in 1...4 {
                try await eventually("some output after connection \(cut)") { program.out.count > cut * 50_000 }
                proxy.cut()
                try await eventually("connection \(cut + 1)") { !program.isRunning || proxy.accepted > cut }
            }
            #expect(try await program.end() == 5, "\(program.err)")
            #expect(program.out == (0..<60_000).map { "line-\($0)\n" }.joined())
            #expect(program.err.contains("connected again"), "\(program.err)")
        }
    }

    @Test("without --resumable a lost connection is told, and ends the program")
    func notResumable() async throws {
        try await ServerProcess.with(.runc) { server in
            let proxy = try CuttableProxy(to: server.address)
            defer { proxy.close() }
            let program = try Program(
                BuildProducts.program("berth"),
                ["run", "--server", proxy.address, "--", "sh", "-c", "echo ready; sleep 1000"])
            try await eventually("it runs") { program.out.contains("ready") }
            proxy.cut(refusing: true)
            #expect(try await program.end(within: .seconds(10)) == 125)
            #expect(program.err.contains("closed"), "\(program.err)")
            try await eventually("the program's end") {
                try await berth(["stats", "--json", "--server", server.address]).out.contains("\"executions\":0")
            }
        }
    }

    @Test("what is detached is listed, attached to, signalled and ended, in a lease and without one")
    func detached() async throws {
        try await ServerProcess.with(.runc) { server in
            let there = ["BERTH_SERVER": server.address]
            let alone = try await server.run(["--detach", "--", "sh", "-c", "echo one; echo two; exit 3"])
            #expect(alone.status == 0, "\(alone.err)")
            let attached = try await berth(["attach", alone.out.trimmed, "--from-start"], environment: there)
            #expect(attached.out == "one\ntwo\n")
            #expect(attached.status == 3)

            let lease = try await berth(["acquire"], environment: there).out.trimmed
            let kept = try await server.run(["--lease", lease, "--shell", "echo 42 > /tmp/answer"])
            #expect(kept.status == 0, "\(kept.err)")
            #expect(try await server.run(["--lease", lease, "--", "cat", "/tmp/answer"]).out == "42\n")
            let id = try await server.run(["--lease", lease, "-d", "--", "sleep", "1000"]).out.trimmed
            let list = try await berth(["executions", "--lease", lease], environment: there)
            #expect(list.out.contains("\(id)  running"), "\(list)")
            #expect(list.out.contains("sleep 1000"))
            let json = try await berth(["executions", "--lease", lease, "--json"], environment: there)
            #expect(json.out.contains("\"argv\":[\"sleep\",\"1000\"]"), "\(json)")
            let signal = try await berth(["signal", id, "USR1", "--lease", lease], environment: there)
            #expect(signal.status == 0, "\(signal.err)")
            let end = try await berth(["attach", id, "--lease", lease, "--from-start"], environment: there)
            #expect(end.status == 128 + SIGUSR1, "\(end)")
            #expect(try await berth(["release", lease], environment: there).status == 0)
            let gone = try await server.run(["--lease", lease, "--", "true"])
            #expect(gone.status == 125)
            #expect(gone.err.contains("lease"), "\(gone.err)")
        }
    }

    @Test("a shell's line and code need no quoting, and limits end what is over them")
    func programs() async throws {
        try await ServerProcess.with(.runc) { server in
            #expect(try await server.run(["--shell", "echo \"a  b\" | wc -c"]).out == "5\n")
            let code = "print('it''s', \"fine\")"
            #expect(try await server.run(["--language", "python", "--code", code]).out == "its fine\n")
            #expect(try await server.run(["--language", "sh", "--code", "-"], input: "echo $((6*7))").out == "42\n")
            let idle = try await server.run(["--idle-timeout", "200ms", "--shell", "echo x; echo y >&2; sleep 60"])
            #expect(idle.status == 124, "\(idle)")
            #expect(
                idle.err == "y\nberth: the program wrote nothing for 200 ms, its idle time-out; "
                    + "it had written 2 bytes to stdout and 2 bytes to stderr\n")
            let busy = try await server.run(["--cpu-time", "200ms", "--shell", "while :; do :; done"])
            #expect(busy.status == 124, "\(busy)")
            #expect(busy.err == "berth: the program used 200 ms of CPU time, its limit; it had written nothing\n")
            let late = try await server.run(["--timeout", "1s", "--", "sleep", "60"])
            #expect(late.status == 124, "\(late)")
            #expect(late.err == "berth: the program's time-out of 1 s passed; it had written nothing\n")
            let cut = try await server.run(["--max-output", "10", "--", "seq", "1000"])
            #expect(cut.status == 0, "\(cut)")
            #expect(cut.out == "1\n2\n3\n4\n5\n")
            #expect(cut.err == "berth: the last 3883 of 3893 bytes of stdout were cut\n")
            let killed = try await server.run(["--max-output", "1k,kill", "--shell", "yes"])
            #expect(killed.status == 125, "\(killed.err)")
            #expect(killed.out.count == 1024)
            #expect(killed.err.hasPrefix("berth: the program wrote more than 1024 bytes to stdout, its limit\n"))
            #expect(killed.err.contains("bytes of stdout were cut\n"))
            let names = try await server.run(["-i", "--shell", "cat /dev/stdin; echo e > /dev/stderr"], input: "in\n")
            #expect(names.out == "in\n")
            #expect(names.err == "e\n")
        }
    }

    @Test("what can't be right in other commands is told in one line, and code 2")
    func badCommands() async throws {
        let others = [
            ["executions"], ["acquire", "--time", "soon"], ["release"], ["signal"], ["load", "--scenario", "nope"],
            ["load", "--scenario", "stats", "--", "true"], ["load", "--duration", "soon"], ["load", "true", "-x"],
        ]
        for arguments in others {
            let result = try await berth(arguments)
            #expect(result.status == 2, "\(arguments): \(result)")
            #expect(result.err.hasPrefix("berth: "), "\(arguments): \(result)")
            #expect(result.err.split(separator: "\n").count == 1, "\(arguments): \(result)")
            #expect(!result.err.contains("--the"), "\(arguments): \(result)")
        }
    }

    @Test("what can't be right in the new flags is told in one line, with what would be, and code 125")
    func badInput() async throws {
        let cases: [(arguments: [String], words: [String])] = [
            (["run"], ["no command", "--shell", "--code"]),
            (["run", "--shell", "x", "--", "true"], ["only one", "--shell"]),
            (["run", "--shell", "x", "--code", "y", "--language", "sh"], ["only one", "--code"]),
            (["run", "--code", "x"], ["--code needs --language"]),
            (["run", "--language", "sh", "--", "true"], ["--language"]),
            (["run", "-i", "--code", "-", "--language", "sh"], ["--code -", "-i"]),
            (["run", "--lease", "x", "--pool", "y", "--", "true"], ["--lease", "--pool"]),
            (["run", "--lease", "x", "--wait", "1s", "--", "true"], ["--lease", "--wait"]),
            (["run", "--keep-background", "--", "true"], ["--keep-background needs --lease"]),
            (["run", "--unwatched", "wait", "--", "true"], ["--unwatched needs --resumable"]),
            (
                ["run", "--unwatched", "often", "--resumable", "1m", "--", "true"],
                ["often", "--unwatched", "drop or wait"]
            ),
            (["run", "--idle-timeout", "soon", "--", "true"], ["soon", "--idle-timeout", "250ms, 5s, 2m or 1h"]),
            (["run", "--idle-timeout", "0", "--", "true"], ["--idle-timeout", "1ms"]),
            (["run", "--cpu-time", "much", "--", "true"], ["much", "--cpu-time"]),
            (["run", "--cpu-time", "0s", "--", "true"], ["--cpu-time", "1ms"]),
            (["run", "--resumable", "0", "--", "true"], ["--resumable", "1ms"]),
            (["run", "--resumable", "-1s", "--", "true"], ["--resumable"]),
            (["run", "--max-output", "0", "--", "true"], ["--max-output"]),
            (
                ["run", "--max-output", "10m,explode", "--", "true"],
                ["10m,explode", "--max-output", "64k, 10m or 1g", ",kill"]
            ),
            (["run", "--max-output", ",kill", "--", "true"], ["--max-output"]),
            (["run", "--env", "=x", "--", "true"], ["\"=x\" is not NAME=VALUE"]),
            (["run", "ls", "-la"], ["-la", "come after \"--\""]),
            (["attach"], ["execution"]),
            (["attach", "x", "--server", "127.0.0.1:1"], ["no Berth server"]),
        ]
        for (arguments, words) in cases {
            let result = try await berth(arguments, environment: ["BERTH_SERVER": "127.0.0.1:1"])
            #expect(result.status == 125, "\(arguments): \(result)")
            #expect(result.err.split(separator: "\n").count == 1, "\(arguments): \(result)")
            for word in words { #expect(result.err.contains(word), "\(arguments): \(result)") }
        }
        try await ServerProcess.with(.runc) { server in
            for arguments in [["attach", "nonsense"], ["run", "--lease", "nonsense", "--", "true"]] {
                let result = try await berth(arguments, environment: ["BERTH_SERVER": server.address])
                #expect(result.status == 125, "\(arguments): \(result)")
                #expect(result.err.contains("no such"), "\(arguments): \(result)")
                #expect(result.err.contains("needs --lease") == (arguments[0] == "attach"), "\(arguments): \(result)")
            }
            let signal = try await berth(["signal", "nonsense"], environment: ["BERTH_SERVER": server.address])
            #expect(signal.err.contains("no such execution") && signal.err.contains("needs --lease"), "\(signal)")
        }
    }
}

extension String {
    fileprivate var trimmed: String { trimmingCharacters(in: .whitespacesAndNewlines) }
}
