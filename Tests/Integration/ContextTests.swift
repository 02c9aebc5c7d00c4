// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

@Suite("Contexts on the command line", .serialized)
struct ContextTests {
    /// The examples of a page, each with its promised output, if it has one.
    static func examples(
        _ language: String, in page: String = "docs/contexts.md"
    ) throws -> [(code: String, output: String?)] {
        let page = try String(contentsOfFile: page, encoding: .utf8)
        var found: [(code: String, output: String?)] = []
        var block: (kind: String, lines: [String])?
        for line in page.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
            guard line.hasPrefix("```") else {
                block?.lines.append(line)
                continue
            }
            guard let (kind, lines) = block else {
                block = (String(line.dropFirst(3)), [])
                continue
            }
            block = nil
            let text = lines.map { $0 + "\n" }.joined()
            if kind == language { found.append((text, nil)) }
            if kind == "output", let last = found.indices.last { found[last].output = text }
        }
        return found
    }

    @Test("what docs/contexts.md shows at the command line comes out as it says")
    func page() async throws {
        let examples = try Self.examples("sh")
        #expect(examples.count == 5)
        try await ServerProcess.with(.runc, ["--size", "1", "--max", "4"]) { server in
            for example in examples {
                let result = try await server.shell(example.code)
                #expect(result.status == 0, "\(result)")
                #expect(result.out == example.output, "\(result)")
            }
        }
    }

    @Test(
        "120 pieces of Python show in a context what they show in an IPython kernel; what differs is listed, with its reason"
    )
    func pieces() async throws {
        try await ServerProcess.with(.runc, ["--size", "1", "--max", "2", "--memory", "512m"]) { server in
            let program = try Program(
                "/usr/bin/python3", ["Tests/Integration/Contexts/compare.py", try BuildProducts.program("berth")],
                environment: ["BERTH_SERVER": server.address, "PYDEVD_DISABLE_FILE_VALIDATION": "1"])
            let status = try await program.end(within: .seconds(180))
            #expect(status == 0, "\(program.out)\(program.err)")
            #expect(program.out.hasSuffix(" 0 that should not be as they are\n"), "\(program.out)")
        }
    }

    @Test(
        "contexts work in containers of either runtime, as their users, and end with their lease",
        arguments: Runtime.allCases)
    func runtimes(_ runtime: Runtime) async throws {
        try await ServerProcess.with(runtime, ["--size", "1", "--max", "2"]) { server in
            let result = try await server.shell(
                """
                export BERTH_LEASE=$(berth acquire)
                context=$(berth context open sh)
                berth run --context $context --code 'id -u; x=1; cd /tmp'
                berth run --context $context --code 'pwd; echo $x; cat'
                berth run --context $context --code 'sleep 60' --timeout 200ms || echo $?
                berth run --context $context --code 'pwd; kill -9 $$' || echo $?
                berth run --context $context --code 'pwd' || echo $?
                berth run -- true
                berth release
                """)
            let lines = result.out.split(separator: "\n").map(String.init)
            #expect(lines.first.flatMap(Int.init) ?? 0 > 0, "\(result)")
            #expect(lines.dropFirst() == ["/tmp", "1", "124", "/tmp", "137", "125"], "\(result)")
        }
    }

    @Test("a piece that takes all the memory ends as out of memory, or fails, and says if its context is lost")
    func memory() async throws {
        try await ServerProcess.with(.runc, ["--size", "1", "--max", "2"]) { server in
            let result = try await server.shell(
                """
                export BERTH_LEASE=$(berth acquire)
                context=$(berth context open python)
                berth run --context $context --json --code 'x = bytearray(400 << 20); len(x)' > events || true
                grep -c '"cause":"out_of_memory"' events; grep -c '"context_lost":true' events
                context=$(berth context open python)
                berth run --context $context --code '1 + 1'
                berth release
                """)
            #expect(result.out == "1\n1\n2\n", "\(result)")
        }
    }

    @Test("what is pasted at a prompt is run as it is, by terminals that mark it and by those that do not")
    func paste() async throws {
        try await ServerProcess.with(.runc, ["--size", "1", "--max", "2"]) { server in
            try await TerminalProgram.with(server, ["repl"]) { program in
                try await program.shows(">>> ")
                #expect(program.screen.contains("\u{1b}[?2004h"))
                let function =
                    "def g(n):\r\n    for i in range(n):\r\n        if i: print('at', i)\r\n\r\n    return n + 40\r\n\r\n"
                program.type("\u{1b}[200~\(function)g(2)\u{1b}[201~\r\r")
                try await program.shows("at 1")
                try await program.shows("42")
                program.type("def h(n):\r    if n:\r        return n + 50\r    return 0\r\rh(3)\r")
                try await program.shows("53")
                program.type("\u{1b}[200~if 1:\n\tprint('t' + 'ab')\n\u{1b}[201~\r")
                try await program.shows("tab")
                #expect(!program.screen.contains("Error"))
                program.type("\u{4}")
                #expect(try await program.end() == 0)
                #expect(program.screen.hasSuffix("\u{1b}[?2004l"))
            }
        }
    }

    @Test(
        "at a prompt: several lines, history, completion, an interrupt that keeps the variables, a question, a password"
    )
    func prompt() async throws {
        try await ServerProcess.with(.runc, ["--size", "1", "--max", "2"]) { server in
            try await TerminalProgram.with(server, ["repl"]) { program in
                try await program.shows(">>> ")
                program.type("value_one = 40\rdef f(x):\r")
                try await program.shows("...     ")
                program.type("return x + 2\r")
                program.type("\rf(value_\t)\r")
                try await program.shows("42")
                program.type(#"exec("print('go' + 'ing', flush=True)\nwhile True: pass")"# + "\r")
                try await program.shows("going")
                program.type("\u{3}")
                try await program.shows("KeyboardInterrupt")
                program.type("input('na' + 'me? ') + '!'\r")
                try await program.shows("name? ")
                program.type("bob\r")
                try await program.shows("'bob!'")
                program.type("import getpass; len(getpass.getpass('wo' + 'rd? '))\r")
                try await program.shows("word? ")
                program.type("hidden\r")
                try await program.shows("2004l6")
                #expect(!program.screen.contains("hidden"))
                program.type("display({'image/png': b'p', 'text/plain': 'a dot'}, raw=True)\r")
                try await program.shows("1.png]")
                program.type("\u{1b}[A\u{1}#\r\"end\" + \"ed\"\r")
                try await program.shows("'ended'")
                program.type("\u{4}")
                #expect(try await program.end() == 0)
            }
        }
    }
}
