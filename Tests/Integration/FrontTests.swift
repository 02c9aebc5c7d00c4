// SPDX-License-Identifier: Apache-2.0

import BerthRPC
import BerthSchema
import Foundation
import Testing
import TestSupport

@Suite("The small program that does what is asked most, and becomes the whole one for the rest", .serialized)
struct FrontTests {
    /// The result of one of the programs.
    private struct Outcome: Equatable {
        let status: Int32
        let out: String
        let err: String
    }

    private static func run(
        _ program: String, _ arguments: [String], _ environment: [String: String], input: String? = nil
    ) async throws -> Outcome {
        let program = try Program(program, arguments, environment: environment, input: input)
        let status = try await program.end()
        return Outcome(status: status, out: program.out, err: program.err)
    }

    /// Runs `body` with the path of the small program, in a directory without the whole one.
    private static func alone(_ body: (String) async throws -> Void) async throws {
        let folder = "/tmp/berth-alone-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.copyItem(atPath: BuildProducts.program("berth"), toPath: "\(folder)/berth")
        try await body("\(folder)/berth")
    }

    /// Arguments of `berth run` that the small program handles itself.
    private static let taken = [
        ["--", "true"], ["true"], ["echo", "hi"], ["--", "sh", "-c", "a -- b", "--", "--pool", "x"], ["--", ""],
        ["--pool", "shell", "--wait", "1.5m", "--", "-x"], ["--pool=shell", "--", "a=b"],
        ["--cwd", "/tmp", "--", "wörld"],
        ["-e", "A=1", "--env", "B=2=3", "--env=A=", "-e", "C=-", "--", "env"], ["-i", "--", "cat"],
        ["--interactive", "--merge", "--", "cat"], ["--shell", "ls | wc -l"], ["--shell=-x"],
        ["--language", "python", "--code", "print('é')"], ["--timeout", "250ms", "--grace", "1h", "--", "x"],
        ["--idle-timeout=0.5", "--cpu-time", "2m", "--", "x"], ["--max-output", "10m,kill", "--", "x"],
        ["--max-output=64K", "--", "x"], ["--lease", "secret", "--keep-background", "--", "x"],
        ["--timeout", "1e5h", "--", "x"], ["--env", "TERM=x", "--", "\t\u{7f}"],
    ]

    @Test("what it does itself, it asks as the whole program does")
    func asksAlike() async throws {
        try await ListeningServer.with({ $0.fail(RPCError(.unavailable, "not here")) }) { server, address in
            let whole = try BuildProducts.program("berth-full")
            try await Self.alone { small in
                for lease in ["", "of the environment"] {
                    let environment = ["BERTH_SERVER": address, "BERTH_LEASE": lease]
                    for arguments in Self.taken {
                        let expected = try await Self.run(whole, ["run"] + arguments, environment)
                        let asked = server.takeRequests()
                        #expect(try await Self.run(small, ["run"] + arguments, environment) == expected, "\(arguments)")
                        #expect(asked.count == 1 && server.takeRequests() == asked, "\(arguments)")
                        #expect(expected.err == "berth: not here\n")
                    }
                }
            }
        }
    }

    @Test("arguments that are no UTF-8 are asked for as the whole program does")
    func bytes() async throws {
        try await ListeningServer.with({ $0.fail(RPCError(.unavailable, "not here")) }) { server, address in
            let whole = try BuildProducts.program("berth-full")
            try await Self.alone { small in
                for program in [whole, small] {
                    let line = "exec '\(program)' run --cwd \"$(printf '/\\351')\" -- \"$(printf 'a\\377b')\""
                    _ = try await Self.run(try tool("sh"), ["-c", line], ["BERTH_SERVER": address])
                }
                let asked = server.takeRequests()
                try #require(asked.count == 2)
                #expect(asked[0] == asked[1])
                #expect(asked[0].argv.map(\.bytes) == [[0x61, 0xff, 0x62]] && asked[0].cwd.bytes == [0x2f, 0xe9])
            }
        }
    }

    @Test("leases are taken, given back and read from files as the whole program does")
    func leases() async throws {
        let file = "/tmp/berth-front-lease-\(UUID().uuidString)"
        try "from-a-file\n".write(toFile: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: file) }
        try await ListeningServer.with({ $0.fail(RPCError(.unavailable, "not here")) }) { server, address in
            let whole = try BuildProducts.program("berth-full")
            try await Self.alone { small in
                for arguments in [
                    ["acquire"], ["acquire", "--pool", "shell", "--wait", "2s", "--time=3m"],
                    ["acquire", "--pool", "none"], ["release", "token"], ["release", "--lease", "token"],
                    ["release", "gone"], ["release"], ["release", "@\(file)"], ["release", "--lease-file", file],
                    ["run", "--lease", "@\(file)", "--", "x"], ["run", "--lease-file", file, "--", "x"],
                    ["run", "--pool", "p", "--", "x"],
                ] {
                    let environment = ["BERTH_SERVER": address, "BERTH_LEASE": "from-the-environment"]
                    let expected = try await Self.run(whole, arguments, environment)
                    let (calls, requests) = (server.takeCalls(), server.takeRequests())
                    #expect(calls.count + requests.count == 1, "\(arguments)")
                    #expect(try await Self.run(small, arguments, environment) == expected, "\(arguments)")
                    #expect(server.takeCalls() == calls && server.takeRequests() == requests, "\(arguments)")
                }
            }
        }
    }

    @Test("whatever is not plain is the whole program's, whose words stay what they are")
    func leftToTheWhole() async throws {
        // Nobody listens there.
        let environment = ["BERTH_SERVER": "127.0.0.1:1", "BERTH_LEASE": ""]
        let arguments: [[String]] = [
            [], ["--help"], ["--version"], ["run"], ["run", "--help"], ["run", "--"], ["run", "-h", "--", "x"],
            ["run", "--", "true"], ["run", "--server", "x", "--", "true"], ["run", "--server", "unix:", "--", "true"],
            ["run", "--timeout", "soon", "--", "x"], ["run", "--timeout", "0", "--", "x"], ["run", "--cwd"],
            ["run", "--cwd", "--", "x"], ["run", "--wait", "1s", "--wait", "2s", "--", "x"],
            ["run", "-i", "-i", "--", "x"],
            ["run", "--env", "=x", "--", "x"], ["run", "--env", "x", "--", "x"], ["run", "-iv", "--", "x"],
            ["run", "x", "--json"], ["run", "x", "--", "y"], ["run", "--shell", "x", "--", "y"],
            ["run", "--code", "x"],
            ["run", "--lease", "l", "--pool", "p", "--", "x"], ["run", "--keep-background", "--", "x"],
            ["run", "--lease-file", "/no/such/file", "--", "x"], ["run", "--max-output", "10m,maim", "--", "x"],
            ["run", "--interactive=yes", "--", "x"], ["run", "-t", "--", "x"], ["run", "--json", "--", "x"],
            ["run", "--resumable", "1m", "--", "x"], ["run", "--nonsense", "--", "x"], ["stats"], ["acquire", "x"],
            ["acquire", "--wait", "never"], ["release"], ["release", "a", "b"], ["nonsense"],
        ]
        let whole = try BuildProducts.program("berth-full")
        let both = try BuildProducts.program("berth")
        try await Self.alone { small in
            for arguments in arguments {
                let expected = try await Self.run(whole, arguments, environment)
                #expect(try await Self.run(both, arguments, environment) == expected, "\(arguments)")
                let folder = small.dropLast("/berth".count)
                let lost = try await Self.run(small, arguments, environment)
                #expect(lost.status == (arguments.first == "run" ? 125 : 1), "\(arguments): \(lost)")
                #expect(
                    lost.err
                        == "berth: berth-full, which does all but the plainest commands, is neither \(folder)/berth-full "
                        + "nor \(folder)/../libexec/berth/berth-full; \"make install\" installs both\n", "\(arguments)")
                #expect(lost.out.isEmpty, "\(arguments)")
            }
        }
    }

    @Test("it finds the whole program where make install puts it, through a link too")
    func installed() async throws {
        let folder = "/tmp/berth-installed-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for path in ["bin", "libexec/berth", "elsewhere"] {
            try FileManager.default.createDirectory(atPath: "\(folder)/\(path)", withIntermediateDirectories: true)
        }
        try FileManager.default.copyItem(atPath: BuildProducts.program("berth"), toPath: "\(folder)/bin/berth")
        for (from, to) in [
            (try BuildProducts.program("berth-full"), "libexec/berth/berth-full"),
            ("\(folder)/bin/berth", "elsewhere/b"),
        ] {
            try FileManager.default.createSymbolicLink(atPath: "\(folder)/\(to)", withDestinationPath: from)
        }
        for path in ["bin/berth", "elsewhere/b"] {
            let outcome = try await Self.run("\(folder)/\(path)", ["--version"], [:])
            #expect(outcome == Outcome(status: 0, out: "0.1.0\n", err: ""))
        }
    }

    @Test("it loads no library, and goes on as itself")
    func libraries() async throws {
        try await ServerProcess.with(.runc) { server in
            let own = try BuildProducts.program("berth")
            let program = try Program(own, ["run", "--server", server.address, "--", "sh", "-c", "echo up; sleep 60"])
            try await eventually("it runs") { program.out.contains("up") }
            let maps = try kernelFile("/proc/\(program.pid)/maps")
            let files = Set(
                maps.split(separator: "\n").compactMap { $0.split(separator: " ").last }.filter { $0.hasPrefix("/") })
            #expect(files == [Substring(own)])
            program.signal(SIGTERM)
            #expect(try await program.end(within: .seconds(10)) == 143)
        }
    }

    @Test("however a call ends, it is told in the words of the whole program, with its code")
    func endsAlike() async throws {
        let start = ExecuteEvent.started(Started(execution: "x", member: "m", watcher: 1))
        let split = Array("é".utf8)
        let outputs: [ExecuteEvent] = [
            .output(Output(stream: .stdout, offset: 0, data: Array("out".utf8) + split.prefix(1))),
            .output(Output(stream: .stderr, offset: 0, data: Array("err\n".utf8))),
            .output(Output(stream: .stdout, offset: 4, data: Array(split.suffix(1)))),
            .dropped(Dropped(stream: .stdout, offset: 5, bytes: 7)),
        ]
        let causes: [EndCause] = [
            .exited, .signalled, .timedOut, .outOfMemory, .outputLimit, .cancelled, .containerLost, .startFailed,
            .draining, .idleTimeout, .cpuTimeLimit, .unspecified,
        ]
        let ends: [[ExecuteEvent]] = causes.flatMap { cause in
            ["", "in words"].map { message in
                [
                    .ended(
                        Ended(
                            cause: cause, exitCode: 3, signal: cause == .signalled ? 9 : 0, message: message,
                            startFailure: .programNotFound, stdoutBytes: 5, stderrBytes: 4, stderrTruncated: 2))
                ]
            }
        }
        let whole = try BuildProducts.program("berth-full")
        for (index, events) in (ends + [[]]).enumerated() {
            for ending in [0, 1, 2] where ending == 0 || events.isEmpty {
                try await ListeningServer.with({ call in
                    for event in [start] + outputs + events { call.send(event) }
                    switch ending {
                    case 0: call.finish()
                    case 1: call.fail(RPCError(.resourceExhausted, "too much", .memoryLimit))
                    default: call.connection.close()
                    }
                }) { _, address in
                    let arguments = ["run", "--server", address, "--", "x"]
                    let expected = try await Self.run(whole, arguments, [:])
                    try await Self.alone { small in
                        let outcome = try await Self.run(small, arguments, [:])
                        #expect(outcome == expected, "\(index), \(ending)")
                    }
                    #expect(expected.out == "outé", "\(index), \(ending)")
                }
            }
        }
    }

    @Test("a signal goes to the program, whose own end counts", arguments: [(SIGINT, "INT"), (SIGTERM, "TERM")])
    func signals(number: Int32, name: String) async throws {
        try await ServerProcess.with(.runc) { server in
            let script = "trap 'echo stopped; exit 3' \(name); echo ready; while :; do sleep 0.1; done"
            let program = try Program(
                BuildProducts.program("berth"), ["run", "--server", server.address, "--", "sh", "-c", script])
            try await eventually("it has begun") { program.out == "ready\n" }
            program.signal(number)
            #expect(try await program.end() == 3)
            #expect(program.out == "ready\nstopped\n")
        }
    }

    @Test("signals are passed on while nobody reads the output, of which nothing is lost")
    func unreadOutput() async throws {
        try await ServerProcess.with(.runc) { server in
            let (out, end) = (Pipe(), Pipe())
            let process = try ChildProcess(
                BuildProducts.program("berth"), ["run", "--server", server.address, "--", "yes"],
                output: out.fileHandleForWriting.fileDescriptor, errors: end.fileHandleForWriting.fileDescriptor)
            for pipe in [out, end] { try pipe.fileHandleForWriting.close() }
            try await eventually("the pipe is full") {
                var count: Int32 = 0
                _ = ioctl(out.fileHandleForReading.fileDescriptor, UInt(FIONREAD), &count)
                return count > 60_000
            }
            process.signal(SIGINT)
            try await eventually("the program has ended") {
                try await berth(["stats", "--json", "--server", server.address]).out.contains("\"executions\":0,")
            }
            let text = try out.fileHandleForReading.readToEnd() ?? Data()
            #expect(process.wait() == 130)
            #expect(
                text.count > 60_000 && text == Data(repeatElement(Array("y\n".utf8), count: text.count / 2).joined())
            )
            #expect(try end.fileHandleForReading.readToEnd() == nil)
        }
    }

    @Test("nothing is killed by itself while nobody reads the output of berth run --json, and all of it comes later")
    func unreadLines() async throws {
        try await ServerProcess.with(.runc) { server in
            let out = Pipe()
            let process = try ChildProcess(
                BuildProducts.program("berth"), ["run", "--json", "--server", server.address, "--", "yes"],
                output: out.fileHandleForWriting.fileDescriptor, errors: STDERR_FILENO)
            try out.fileHandleForWriting.close()
            try await eventually("the pipe is full") {
                var count: Int32 = 0
                _ = ioctl(out.fileHandleForReading.fileDescriptor, UInt(FIONREAD), &count)
                return count > 40_000
            }
            process.signal(SIGINT)
            try await eventually("the program has ended") {
                try await berth(["stats", "--json", "--server", server.address]).out.contains("\"executions\":0,")
            }
            // The second and the third time that it would ask by itself, and the second in which it would leave.
            try await Task.sleep(for: .seconds(6))
            let text = String(decoding: try out.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
            #expect(process.wait() == 130)
            let last = text.split(separator: "\n").last ?? ""
            #expect(last.contains("ended") && last.contains("\"signal\":2"), "\(last)")
        }
    }

    @Test("what comes in goes through to the last byte, as fast as it is taken")
    func input() async throws {
        try await ServerProcess.with(.runc) { server in
            let berth = try BuildProducts.program("berth")
            let line = """
                head -c 5000003 /dev/urandom > in; '\(berth)' run -i --server \(server.address) -- cat < in | cmp - in && \
                cat in | '\(berth)' run -i --server \(server.address) -- cat > out && cmp in out && \
                '\(berth)' run -i --server \(server.address) -- head -c 3 < in | cmp -n 3 - in && \
                '\(berth)' run -i --server \(server.address) -- cat < /dev/null | wc -c
                """
            let folder = "/tmp/berth-front-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let outcome = try await Self.run(try tool("bash"), ["-c", "set -o pipefail; cd \(folder); \(line)"], [:])
            #expect(outcome == Outcome(status: 0, out: "0\n", err: ""))
        }
    }
}
