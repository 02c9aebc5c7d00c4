// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Testing
import TestSupport

@Suite("Contexts of Node")
struct NodeContextTests {
    @Test("what is declared stays, also beside a top-level await; values, displays and output come in order")
    func state() async throws {
        try await ContextTests.with("node") { client, _, context in
            try await client.run("const x = 6; function twice(n) { return 2 * n }", in: context)
            try await client.run("let later = await Promise.resolve(7)", in: context)
            var seen: [String] = []
            let code = "console.log('a'); display('b'); console.error('c'); twice(x) + later"
            for try await event in client.execute(code, in: context) {
                switch event {
                case .output(let output): seen.append(String(decoding: output.data, as: UTF8.self))
                case .display(let display): seen.append("<\(display.text ?? "")>")
                default: break
                }
            }
            #expect(seen == ["a\n", "<'b'>", "c\n", "<19>"])
            let shown = try await client.run(
                "({[Symbol.for('Jupyter.display')]: () => ({'text/html': '<b>'})})", in: context)
            #expect(shown.displays.first?["text/html"] == Array("<b>".utf8))
        }
    }

    @Test("a failure has its name, its message and the piece's own frames")
    func failure() async throws {
        try await ContextTests.with("node") { client, _, context in
            let output = try await client.run("function f() { throw new TypeError('no') }\nf()", in: context)
            #expect(output.failure?.name == "TypeError")
            #expect(output.failure?.message == "no")
            #expect(output.failure?.traceback.count == 3)
            #expect(output.ended.exitCode == 1)
            #expect(try await client.run("1 +", in: context).failure?.name == "SyntaxError")
        }
    }

    @Test(
        "an interrupt stops a piece, whether it computes or waits, and what is declared stays",
        arguments: ["while (true) {}", "await new Promise(() => {})"])
    func interrupt(_ code: String) async throws {
        try await ContextTests.with("node") { client, _, context in
            try await client.run("const kept = 1", in: context)
            let output = try await client.run(code, in: context, timeout: .milliseconds(300))
            #expect(output.ended.cause == .timedOut)
            #expect(!output.ended.isContextLost)
            #expect(output.failure?.name == "KeyboardInterrupt")
            #expect(try await client.run("kept", in: context).value == "1")
        }
    }

    @Test("a piece that ends Node is told so")
    func exit() async throws {
        try await ContextTests.with("node") { client, _, context in
            let output = try await client.run("console.log('bye'); process.exit(4)", in: context)
            #expect(output.text == "bye\n")
            #expect(output.ended.exitCode == 4)
            #expect(output.ended.isContextLost)
        }
    }
}
