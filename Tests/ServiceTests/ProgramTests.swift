// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthRPC
import BerthSchema
import Foundation
import Pool
import Testing
import TestSupport

@testable import Service

@Suite("What an Execute request may say, and who says it otherwise")
struct ProgramTests {
    @Test("requests that can't be right are refused with what was given")
    func refused() async throws {
        let cases: [(ExecuteRequest, String)] = [
            (ExecuteRequest(), "argv is empty, and so are shell and code"),
            (ExecuteRequest(argv: ["a"], shell: "b"), "argv and shell are given"),
            (ExecuteRequest(argv: ["a"], shell: "b", code: "c", language: "sh"), "argv and shell and code are given"),
            (ExecuteRequest(code: "c"), "code is given without language"),
            (ExecuteRequest(shell: "c", language: "sh"), "language is given with shell"),
            (ExecuteRequest(argv: [""]), "argv[0] is empty"),
            (ExecuteRequest(code: "c", language: "cobol"), "no language \"cobol\" in this pool; there is: python, sh"),
            (
                ExecuteRequest(code: String(repeating: "x", count: 131_072), language: "sh"),
                "code has 131072 bytes, more than an argument can have, 131071"
            ),
            (ExecuteRequest(argv: ["a"], outputPolicy: .kill), "without max_output_bytes"),
            (ExecuteRequest(argv: ["a"], unwatched: .wait), "without resumable_ms"),
            (ExecuteRequest(argv: ["a"], terminal: Terminal(rows: 65_536)), "terminal.rows is 65536"),
            (ExecuteRequest(argv: ["a"], idleTimeoutMilliseconds: .max), "idle_timeout_ms is 4294967295"),
            (ExecuteRequest(argv: ["a"], cpuTimeMilliseconds: .max), "cpu_time_ms is 4294967295"),
            (ExecuteRequest(argv: ["a"], resumableMilliseconds: .max), "resumable_ms is 4294967295"),
        ]
        try await TestServer.with { server, client in
            let lease = try await client.acquire()
            let connection = try await RawConnection.open(server)
            for (request, words) in cases {
                for token in ["", lease.token] {
                    var request = request
                    request.lease = token
                    let error = await #expect(throws: RPCError.self) {
                        _ = try await connection.execute(request).finish()
                    }
                    #expect(error?.code == .invalidArgument)
                    #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
                }
            }
            // None of them has left the lease in use.
            #expect(
                try await connection.execute(ExecuteRequest(lease: lease.token, argv: ["true"], cwd: "/"))
                    .finish().exitCode == 0)
            connection.close()
        }
    }

    @Test("shell and code need no quoting; the largest code runs")
    func shellAndCode() async throws {
        try await TestServer.with { server, _ in
            let connection = try await RawConnection.open(server)
            let text = "print('a\"b', 1 < 2, \"c'd\\\\\")"
            let python = connection.execute(ExecuteRequest(code: text, language: "python", cwd: "/tmp"))
            _ = try await python.finish()
            #expect(python.stdout.text == "a\"b True c'd\\\n")
            let shell = connection.execute(ExecuteRequest(shell: "echo \"$0\" 'x y' | tr x z; exit 5", cwd: "/tmp"))
            #expect(try await shell.finish().exitCode == 5)
            #expect(shell.stdout.text == "/bin/sh z y\n")
            let comment = "#" + String(repeating: "x", count: 131_071 - 8) + "\necho 1"
            let large = connection.execute(ExecuteRequest(code: comment, language: "sh", cwd: "/tmp"))
            #expect(try await large.finish().exitCode == 0)
            #expect(large.stdout.text == "1\n")
            connection.close()
        }
    }

    @Test(
        "the request goes before the pool, the pool before the image, the image before the server; changes count at once"
    )
    func defaults() async throws {
        try await TestServer.with { server, client in
            let connection = try await RawConnection.open(server)
            let lease = try await client.acquire()
            func run(_ request: ExecuteRequest) async throws -> String {
                let stream = connection.execute(request)
                _ = try await stream.finish()
                return stream.stdout.text + stream.stderr.text
            }
            let script = "echo $A $IMAGE_SAYS $TERM $PWD $(id -u) $COLUMNS"
            server.service.setPrograms([
                "default": ProgramDefaults(
                    env: ["A": "pool", "IMAGE_SAYS": "no"], cwd: "/usr", uid: 1234, allowedUIDs: [1001],
                    languages: ["echo": ["echo", "<{code}>"]])
            ])
            for token in ["", lease.token] {
                #expect(try await run(ExecuteRequest(lease: token, shell: script)) == "pool no dumb /usr 1234\n")
                #expect(
                    try await run(
                        ExecuteRequest(
                            lease: token, shell: script, env: ["A": "request"], cwd: "/tmp", uid: 1001))
                        == "request no dumb /tmp 1001\n")
                #expect(try await run(ExecuteRequest(lease: token, code: "a b", language: "echo")) == "<a b>\n")
            }
            server.service.setPrograms(["default": ProgramDefaults(cwd: "/")])
            #expect(try await run(ExecuteRequest(lease: lease.token, shell: script)) == "hello dumb / 1000\n")
            connection.close()
        }
    }

    @Test("E27: an image's variables that are no UTF-8 reach the program, and what pool and caller say goes before")
    func bytesOfImage() async throws {
        try await TestServer.with { server, client in
            var command = Command([
                "python3", "-c",
                "import os, sys; sys.stdout.buffer.write(os.environb[b'IMAGE_BYTES'] + os.environb[b'\\xe9'])",
            ])
            server.service.setPrograms(["default": ProgramDefaults(cwd: "/")])
            let plain = try await client.run(command)
            #expect(plain.stdout == [0xff, 0x21] + Array("bytes".utf8), "\(plain.errorText)")
            // As it came to the program, each name is there once.
            let list = Command([
                "python3", "-c",
                "print(open('/proc/self/environ', 'rb').read().split(b'\\0').count(b'IMAGE_BYTES=pool'))",
            ])
            server.service.setPrograms(["default": ProgramDefaults(env: ["IMAGE_BYTES": "pool"], cwd: "/")])
            #expect(try await client.run(command).stdout == Array("poolbytes".utf8))
            #expect(try await client.run(list).stdout == Array("1\n".utf8))
            command.env = ["IMAGE_BYTES": "caller"]
            #expect(try await client.run(command).stdout == Array("callerbytes".utf8))
            command.env = [:]
            command.systemEnv = [SystemString(Array("IMAGE_BYTES=".utf8) + [0xfe])]
            #expect(try await client.run(command).stdout == [0xfe] + Array("bytes".utf8))
        }
    }

    @Test("what is listed of a command is short")
    func listed() {
        #expect(ProgramSource.listed(["sh", "-c", "echo"]) == ["sh", "-c", "echo"])
        let long = ProgramSource.listed(["sh", SystemString(String(repeating: "ü", count: 1000))])
        #expect(long[1].text == String(repeating: "ü", count: 128) + "…")
        #expect(ProgramSource.listed(Array(repeating: "x", count: 1000)).count == 65)
        #expect(
            ProgramSource.listed(Array(repeating: SystemString(String(repeating: "x", count: 200)), count: 50)).count
                <= 7)
    }

    @Test(
        "E27: arguments, environment and directory that are no UTF-8 reach the program; what can't be is refused by name"
    )
    func bytes() async throws {
        let directory = Array("/tmp/berth-\(UUID().uuidString.prefix(8))-".utf8) + [0xe9]
        let path = directory.map { CChar(bitPattern: $0) } + [0]
        #expect(mkdir(path, 0o755) == 0)
        defer { rmdir(path) }
        try await TestServer.with { _, client in
            let script =
                "import os, sys; sys.stdout.buffer.write(os.fsencode(sys.argv[1]) + b'|' + os.environb[b'V'] + b'|'"
            let tail = " + os.environb[b'\\xf0'] + b'|' + os.getcwdb())"
            var command = Command(
                .systemArgv(["python3", "-c", SystemString(script + tail), SystemString([0xe9, 0x21])]))
            command.env = ["V": "text"]
            command.systemEnv = [SystemString(Array("V=".utf8) + [0xff]), SystemString([0xf0, 0x3d, 0xfe])]
            command.systemCwd = SystemString(directory)
            let output = try await client.run(command)
            #expect(output.stdout == [0xe9, 0x21, 0x7c, 0xff, 0x7c, 0xfe, 0x7c] + directory, "\(output.errorText)")

            let lease = try await client.acquire()
            for (program, env, cwd, words) in [
                ([[0x61], [0xff, 0]], [], [], "argv_raw holds a NUL byte"),
                ([[0x61]], [[0xff]], [], "env_raw[0] is not NAME=value"),
                ([[0x61]], [[0x3d, 0xff]], [], "env_raw[0] is not NAME=value"),
                ([[0x61]], [], [0x2f, 0xff, 0], "cwd_raw holds a NUL byte"), ([[]], [], [], "argv[0] is empty"),
            ] as [([[UInt8]], [[UInt8]], [UInt8], String)] {
                var command = Command(.systemArgv(program.map { SystemString($0) }))
                command.systemEnv = env.map { SystemString($0) }
                command.systemCwd = cwd.isEmpty ? nil : SystemString(cwd)
                do {
                    _ = try await client.run(command, in: lease)
                    Issue.record("\(words): was run")
                } catch let error as BerthError {
                    #expect(error.message.contains(words), "\(error)")
                }
            }
        }
    }
}
