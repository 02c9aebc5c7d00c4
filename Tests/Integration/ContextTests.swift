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

    @Test("Ctrl-D that is typed while code runs leaves when the code has ended")
    func typedAheadEnd() async throws {
        try await ServerProcess.with(.runc, ["--size", "1", "--max", "2"]) { server in
            try await TerminalProgram.with(server, ["repl"]) { program in
                try await program.shows(">>> ")
                program.type("import time; print('ru' + 'nning', flush=True); time.sleep(0.5)\r")
                try await program.shows("running")
                program.type("\u{4}")
                #expect(try await program.end() == 0)
            }
        }
    }

    @Test(
        "`exit`, as each language's own prompt takes it, leaves with its code; other code that begins so is run",
        arguments: [
            ("python", ">>> ", "exit_ = 'ru' + 'n'; exit_", "exit", Int32(0)),
            ("python", ">>> ", "'ru' + 'n'", "quit(3)", 3),
            ("bash", "bash$ ", "exit() { echo ru${1}n; }; exit ''", "exit 4", 4),
            ("sh", "sh$ ", "exitcode=un; echo r$exitcode", "exit", 0), ("node", "> ", "'ru' + 'n'", ".exit", 0),
        ])
    func leavingWords(language: String, prompt: String, code: String, word: String, status: Int32) async throws {
        try await ServerProcess.with(.runc, ["--size", "1", "--max", "2"]) { server in
            try await TerminalProgram.with(server, ["repl", "--language", language]) { program in
                try await program.shows(prompt)
                program.type(code + "\r")
                try await program.shows("run")
                try await program.shows(prompt)
                program.type(word + "\r")
                #expect(try await program.end() == status, "\(program.screen)")
            }
        }
    }

    @Test("a trace names the piece by its number in its context, whatever else ran in the lease")
    func pieceNumbers() async throws {
        try await ServerProcess.with(.runc, ["--size", "1", "--max", "2"]) { server in
            let result = try await server.shell(
                """
                export BERTH_LEASE=$(berth acquire)
                berth run -- true
                for language in python node; do
                    context=$(berth context open $language)
                    berth run -- true
                    berth run --context $context --code 'f = 1' > /dev/null
                    berth run --context $context --code 'f()' 2>&1 | grep -o 'piece [0-9]*' | head -1
                done
                """)
            #expect(result.out == "piece 2\npiece 2\n", "\(result)")
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

    @Test("a text with more lines than the terminal is edited at any of them, and is written once into the scrollback")
    func longText() async throws {
        try await ServerProcess.with(.runc, ["--size", "1", "--max", "2"]) { server in
            try await TerminalProgram.with(server, ["repl"]) { program in
                try await program.shows(">>> ")
                let lines = (0..<50).map { "line\($0) = \($0)" }
                program.type("\u{1b}[200~\(lines.joined(separator: "\r"))\u{1b}[201~")
                try await program.shows("line49 = 49")
                #expect(!program.screen.contains("line0 = 0"), "the terminal has 30 rows")
                // Up to line 5, which scrolls into view, and to its end.
                program.type(String(repeating: "\u{1b}[A", count: 44) + "\u{5}00")
                try await program.shows("line5 = 500")
                program.type("\r")
                try await program.shows("... line49 = 49\r\n")
                program.type("line5 + line49\r")
                try await program.shows("549")
                #expect(program.screen.components(separatedBy: "line0 = 0").count == 2, "\(program.screen)")
                // What comes at once with an interrupt is the next text's; Escape alone is nothing.
                program.type("if True:\rx\u{3}\u{1b}[A\u{1b}[A\u{1b}\u{1b}[B\r")
                program.type("'en' + 'd'\r")
                try await program.shows("'end'")
                #expect(program.screen.components(separatedBy: "2004l549\r\n").count == 3, "\(program.screen)")
                program.type("\u{4}")
                #expect(try await program.end() == 0)
            }
            let empty = try await server.shell("berth repl < /dev/null")
            #expect(empty.status == 0 && empty.err.isEmpty, "\(empty)")
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

    @Test("at a prompt for Node, lines belong together as JavaScript has it: private names, templates, expressions")
    func javaScript() async throws {
        try await ServerProcess.with(.runc, ["--size", "1", "--max", "2"]) { server in
            try await TerminalProgram.with(server, ["repl", "--language", "node"]) { program in
                try await program.shows("> ")
                program.type("class C {\r#x = 40\rget() { return this.#x + 2 } // not this: {\r}\rnew C().get()\r")
                try await program.shows("42")
                program.type("`first ${[1].map(x => `{${x}`)}\r${50 + 3}-last`.slice(-7)\r")
                try await program.shows("53-last")
                program.type("/[/{(]\\//.test('{/') && 6 / 2 / 1 + '-qu' + /* ( \r */ 'otient'\r")
                try await program.shows("3-quotient'\r\n\u{1b}[?2004h")
                #expect(!program.screen.contains("Error"))
                program.type("\u{4}")
                #expect(try await program.end() == 0)
            }
        }
    }

    /// The first of it: 600 columns of one colour each, which zlib packs with codes of their own.
    private static var widePicture: String {
        var (x, columns) = (UInt32(1), [UInt32]())
        for _ in 0..<600 {
            x = (x &* 1_103_515_245 &+ 12_345) % (1 << 31)
            columns.append((x >> 16) % 3)
        }
        var runs = ""
        var rest = columns[...]
        while let first = rest.first, runs.count < 60 {
            let isFirst = first == columns[0]
            let count = rest.prefix { ($0 == columns[0]) == isFirst }.count
            let mark = isFirst ? "~" : "?"
            runs += count > 3 ? "!\(count)\(mark)" : String(repeating: mark, count: count)
            rest = rest.dropFirst(count)
        }
        return "#0\(runs)"
    }

    /// Two columns: red over blue, and green; 7 rows. Packed as stored, fixed and other blocks, in each kind of PNG.
    private static let pictures = """
        import struct, zlib
        def chunk(name, data): return struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))
        def png(kind, rows, *more, level=9, strategy=0):
            packer = zlib.compressobj(level, strategy=strategy)
            packed = packer.compress(b''.join(rows)) + packer.flush()
            return b'\\x89PNG\\r\\n\\x1a\\n' + b''.join(chunk(*one) for one in [
                (b'IHDR', struct.pack('>2I5B', 2, 7, 8, kind, 0, 0, 0)), *more, (b'IDAT', packed), (b'IEND', b'')])
        red, green, blue = b'\\xff\\0\\0', b'\\0\\xff\\0', b'\\0\\0\\xff'
        rgb = [b'\\0' + red + green] * 6 + [b'\\0' + blue + green]
        up = [b'\\0' + red + green] + [b'\\2' + bytes(6)] * 5 + [b'\\1' + blue + b'\\0\\xff\\x01']
        rgba = [b'\\0' + red + b'\\xff' + green + b'\\xff'] * 6 + [b'\\0' + blue + b'\\xff' + green + b'\\xff']
        indexed = [b'\\0\\0\\1'] * 6 + [b'\\0\\2\\1']
        def show(picture): display({'image/png': picture, 'text/plain': 'a picture'}, raw=True)
        def show_all():
            for number, one in enumerate([png(2, rgb), png(2, rgb, level=0), png(2, rgb, strategy=4), png(2, up), png(6, rgba),
                    png(3, indexed, (b'PLTE', red + green + blue))]):
                show(one)
                print('shown', number)
        def show_wide():
            x, row = 1, b'\\0'
            for _ in range(600):
                x = (x * 1103515245 + 12345) % (1 << 31)
                row += [red, green, blue][(x >> 16) % 3]
            header = (b'IHDR', struct.pack('>2I5B', 600, 6, 8, 2, 0, 0, 0))
            show(b'\\x89PNG\\r\\n\\x1a\\n' + b''.join(chunk(*one) for one in [
                header, (b'IDAT', zlib.compress(row * 6, 9)), (b'IEND', b'')]))

        """

    @Test("at a prompt, a terminal that says it can shows pictures in sixels, of all kinds of PNG; another gets files")
    func sixels() async throws {
        let picture =
            "\u{1b}P0;1q\"1;1;2;7#0;2;100;0;0#1;2;0;100;0#2;2;0;0;100#0~$#1?~-#1?@$#2@-\u{1b}\\\r\nshown "
        try await ServerProcess.with(.runc, ["--size", "1", "--max", "3"]) { server in
            try await TerminalProgram.with(server, ["repl"]) { program in
                try await program.shows(">>> ")
                program.type("\u{1b}[200~\(Self.pictures)show_all()\u{1b}[201~\r\r")
                try await program.shows("\u{1b}[c")
                program.type("4\u{1b}[?62;4;22c2\r")
                try await program.shows("shown 5")
                #expect(program.screen.components(separatedBy: picture).count == 7, "\(program.screen)")
                // What was typed around the answer is no part of it.
                try await program.shows("2004l42")
                program.type("show_wide()\r")
                try await program.shows(Self.widePicture)
                program.type("show(b'no picture')\r")
                try await program.shows("1.png]\r\n\u{1b}[?2004h")
                program.type("\u{4}")
                #expect(try await program.end() == 0)
            }
            for answer in ["\u{1b}[?1;2c", ""] {
                try await TerminalProgram.with(server, ["repl"]) { program in
                    try await program.shows(">>> ")
                    program.type("display({'image/png': b'p', 'text/plain': 'a dot'}, raw=True)\r")
                    try await program.shows("\u{1b}[c")
                    program.type(answer)
                    try await program.shows("1.png]\r\n\u{1b}[?2004h")
                    program.type("'go' + 'es on'\r")
                    try await program.shows("'goes on'\r\n\u{1b}[?2004h")
                    program.type("\u{4}")
                    #expect(try await program.end() == 0)
                }
            }
        }
    }
}
