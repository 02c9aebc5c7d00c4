import BerthClient
import Pool
import RPC
import Schema
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

    @Test("what is listed of a command is short")
    func listed() {
        #expect(Command.listed(["sh", "-c", "echo"]) == ["sh", "-c", "echo"])
        let long = Command.listed(["sh", String(repeating: "ü", count: 1000)])
        #expect(long[1].hasPrefix("üü"))
        #expect(long[1].hasSuffix("…"))
        #expect(long[1].utf8.count < 270)
        #expect(Command.listed(Array(repeating: "x", count: 1000)).count == 65)
        #expect(Command.listed(Array(repeating: String(repeating: "x", count: 200), count: 50)).count <= 7)
    }
}
