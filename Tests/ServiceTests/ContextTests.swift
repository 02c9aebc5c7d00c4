// SPDX-License-Identifier: Apache-2.0

import Berth
import Foundation
import Pool
import BerthSchema
import Service
import Testing
import TestSupport

@Suite("Contexts, through every layer but the container")
struct ContextTests {
    /// A lease and a context of a language in it.
    static func with(
        _ language: String = "python", limits: ServiceLimits = ServiceLimits(),
        _ body: (BerthClient, Lease, Context) async throws -> Void
    ) async throws {
        try await TestServer.with(limits: limits) { _, client in
            let lease = try await client.acquire()
            let context = try await client.openContext(language, in: lease, cwd: "/tmp")
            try await body(client, lease, context)
            try await client.release(lease)
        }
    }

    @Test("a context keeps variables from one piece to the next, and shows the last expression's value")
    func variables() async throws {
        try await Self.with { client, _, context in
            #expect(context.version.hasPrefix("3."))
            let first = try await client.run("x = 6; print('set')", in: context)
            #expect(first.text == "set\n")
            #expect(first.value == nil)
            #expect(first.ended.cause == .exited)
            #expect(first.ended.exitCode == 0)
            #expect(try await client.run("x * 7", in: context).value == "42")
        }
    }

    @Test("a failure has its name, its message and the lines of its trace, and costs nothing")
    func failure() async throws {
        try await Self.with { client, _, context in
            let output = try await client.run("y = 1\ndef f():\n    return y / 0\nf()", in: context)
            #expect(output.failure?.name == "ZeroDivisionError")
            #expect(output.failure?.message == "division by zero")
            let trace = output.failure?.traceback ?? []
            #expect(trace.first == "Traceback (most recent call last):")
            #expect(trace.contains("    return y / 0"))
            #expect(!trace.contains { $0.contains("berth") })
            #expect(output.ended.cause == .exited)
            #expect(output.ended.exitCode == 1)
            #expect(!output.ended.isContextLost)
            #expect(try await client.run("y", in: context).value == "1")
        }
    }

    @Test("output, displays and what subprocesses write come in the order in which they were made")
    func order() async throws {
        try await Self.with { client, _, context in
            let code = """
                import os, sys
                print("a", end="")
                display("one")
                os.system("echo b")
                print("c", file=sys.stderr)
                display("two")
                os.write(1, b"d")
                "three"
                """
            var seen: [String] = []
            for try await event in client.execute(code, in: context) {
                switch event {
                case .output(let output): seen.append(String(decoding: output.data, as: UTF8.self))
                case .display(let display): seen.append("<\(display.text ?? "")>")
                default: break
                }
            }
            #expect(seen == ["a", "<'one'>", "b\n", "c\n", "<'two'>", "d", "<'three'>"])
        }
    }

    @Test("100 MB of output and 3000 displays of one piece arrive in order, and nothing of them in the next piece")
    func bulk() async throws {
        try await Self.with { client, _, context in
            let code = """
                import os
                block = b"x" * 33333 + b"\\n"
                for i in range(3000):
                    os.write(1, block)
                    display(i)
                """
            var (bytes, displays) = (0, 0)
            for try await event in client.execute(code, in: context, timeout: .seconds(120)) {
                switch event {
                case .output(let output): bytes += output.data.count
                case .display(let display):
                    #expect(display.text == "\(displays)")
                    displays += 1
                    guard bytes == displays * 33334 else { throw NeverHappened(description: "a display in its place") }
                case .ended(let ended): #expect(ended.stdoutBytes == 3000 * 33334)
                default: break
                }
            }
            #expect(displays == 3000)
            let next = try await client.run("1", in: context)
            #expect(next.text == "")
            #expect(next.displays.count == 1)
        }
    }

    @Test("a form of a display that is over max_display is left out, with its size; the others come")
    func largeDisplay() async throws {
        var limits = ServiceLimits()
        limits.maxDisplay = 1 << 20
        try await Self.with(limits: limits) { client, _, context in
            let code = """
                class Picture:
                    def _repr_png_(self): return b"p" * 20_000_000
                    def __repr__(self): return "a picture"
                Picture()
                """
            let output = try await client.run(code, in: context)
            #expect(output.displays.first?.text == "a picture")
            #expect(output.displays.first?.leftOut == [LeftOut(mime: "image/png", bytes: 20_000_000)])
            #expect(output.ended.exitCode == 0)
            let fits = try await client.run(
                "display({'image/png': b'p' * 1_000_000}, raw=True)", in: context)
            #expect(fits.displays.first?["image/png"]?.count == 1_000_000)
        }
    }

    @Test("a larger display than the window comes, when all before it was acknowledged")
    func beyondWindow() async throws {
        try await Self.with { client, _, context in
            let code = "for i in range(3):\n    print(i)\n    display({'image/png': b'p' * 900_000}, raw=True)"
            var seen: [String] = []
            for try await event in client.execute(code, in: context, window: 64 << 10) {
                switch event {
                case .output(let output): seen.append(String(decoding: output.data, as: UTF8.self))
                case .display(let display): seen.append("\(display["image/png"]?.count ?? 0)")
                default: break
                }
            }
            #expect(seen == ["0\n", "900000", "1\n", "900000", "2\n", "900000"])
        }
    }

    @Test(
        "an interrupt stops a piece within 200 ms, and the variables stay",
        arguments: [
            "while True: pass", "import time; time.sleep(60)", "import subprocess; subprocess.run(['sleep', '60'])",
            "import re; re.match('(a+)+$', 'a' * 60 + 'b')", "await __import__('asyncio').sleep(60)",
            "__import__('threading').Event().wait()", "input()",
        ])
    func interrupt(_ code: String) async throws {
        try await Self.with { client, _, context in
            try await client.run("kept = 1", in: context)
            let execution = client.execute(
                Command(piece: "print('on', flush=True)\n" + code, in: context).withOpenInput(), in: context.lease)
            var sent: ContinuousClock.Instant?
            var failure: String?
            for try await event in execution {
                switch event {
                case .output where sent == nil:
                    // Well into what comes after it.
                    try await Task.sleep(for: .milliseconds(50))
                    sent = .now
                    try await execution.signal(.interrupt)
                case .failure(let told): failure = told.name
                case .ended(let ended):
                    #expect(ended.cause == .exited)
                    #expect(!ended.isContextLost)
                    if let sent { #expect(ContinuousClock.now - sent < .milliseconds(200)) }
                default: break
                }
            }
            #expect(failure == "KeyboardInterrupt")
            #expect(try await client.run("kept", in: context).value == "1")
        }
    }

    @Test("a piece whose time is up is interrupted, and its context goes on")
    func timeout() async throws {
        try await Self.with { client, _, context in
            let output = try await client.run("kept = 1\nwhile True: pass", in: context, timeout: .milliseconds(300))
            #expect(output.ended.cause == .timedOut)
            #expect(!output.ended.isContextLost)
            #expect(output.ended.message == "the piece's time-out of 300 ms passed")
            #expect(try await client.run("kept", in: context).value == "1")
        }
    }

    @Test(
        "what does not end when it is interrupted is killed after the grace, and its end says that the context is lost")
    func lost() async throws {
        try await Self.with { client, lease, context in
            let code = """
                import time
                while True:
                    try: time.sleep(60)
                    except KeyboardInterrupt: print("no", flush=True)
                """
            var command = Command(piece: code, in: context, timeout: .milliseconds(300))
            command.grace = .milliseconds(400)
            let output = try await client.run(command, in: lease)
            #expect(output.text == "no\n")
            #expect(output.ended.cause == .timedOut)
            #expect(output.ended.isContextLost)
            #expect(
                output.ended.message
                    == "the piece's time-out of 300 ms passed; it did not stop within 400 ms of being interrupted, and its "
                    + "context is lost")
            let error = await #expect(throws: BerthError.self) { try await client.run("1", in: context) }
            #expect(error?.reason == .noSuchContext)
            #expect(error?.message.contains("did not stop") == true)
            // The next one is as good as the first.
            let next = try await client.openContext("python", in: lease, cwd: "/tmp")
            #expect(try await client.run("2", in: next).value == "2")
        }
    }

    @Test("a prompt is answered by input; a password is asked for as one; without input, it fails at once")
    func prompt() async throws {
        try await Self.with { client, lease, context in
            let code = "import getpass\nname = input('name? ')\nword = getpass.getpass('word? ')\nprint(name, word)"
            let execution = client.execute(Command(piece: code, in: context).withOpenInput(), in: lease)
            var (prompts, text): ([Prompt], String) = ([], "")
            for try await event in execution {
                switch event {
                case .prompt(let prompt):
                    prompts.append(prompt)
                    try await execution.write(Array((prompt.isPassword ? "secret\n" : "bob\n").utf8))
                case .output(let output): text += String(decoding: output.data, as: UTF8.self)
                default: break
                }
            }
            #expect(prompts.map(\.text) == ["name? ", "word? "])
            #expect(prompts.map(\.isPassword) == [false, true])
            #expect(text == "bob secret\n")
            let without = try await client.run("input()", in: context)
            #expect(without.failure?.name == "EOFError")
            #expect(without.ended.usage.wallMicroseconds < 1_000_000)
            // What one piece has not read is not the next one's.
            _ = try await client.run(Command(piece: "1", in: context, stdin: Array("left\n".utf8)), in: lease)
            let next = try await client.run(
                Command(piece: "print(input())", in: context, stdin: Array("own\n".utf8)), in: lease)
            #expect(next.text == "own\n")
        }
    }

    @Test("one piece at a time: another is refused, and so are calls to a context that is not there")
    func busy() async throws {
        try await Self.with { client, lease, context in
            let execution = client.execute("print(1, flush=True)\nimport time; time.sleep(60)", in: context)
            var refusals = 0
            for try await event in execution {
                guard case .output = event else { continue }
                let error = await #expect(throws: BerthError.self) { try await client.run("2", in: context) }
                #expect(error?.reason == .contextBusy)
                refusals += 1
                let running = try await client.contexts(in: lease)
                #expect(running.map(\.pieces) == [1])
                #expect(running.first?.execution == (try await execution.id))
                try await execution.signal(.interrupt)
            }
            #expect(refusals == 1)
            let other = Context(id: String(repeating: "0", count: 32), lease: lease)
            let error = await #expect(throws: BerthError.self) { try await client.run("2", in: other) }
            #expect(error?.code == .notFound)
            #expect(error?.reason == .noSuchContext)
        }
    }

    @Test("completions and what is known of a name come from the context, and run nothing of the code")
    func names() async throws {
        try await Self.with { client, _, context in
            try await client.run(
                "import os\nvalue_one = 1\ndef twice(x):\n    'Doubles.'\n    return 2 * x", in: context)
            let names = try await client.complete("print(value_", in: context)
            #expect(names.matches == ["value_one"])
            #expect(names.start == 6)
            #expect(names.end == 12)
            #expect(try await client.complete("os.path.joi", in: context).matches == ["join"])
            let known = try await client.inspect("twice", in: context, detail: true)
            let text = known.data.first.map { String(decoding: $0.data, as: UTF8.self) } ?? ""
            #expect(known.isFound)
            #expect(text.hasPrefix("twice(x)"))
            #expect(text.contains("Doubles."))
            #expect(text.contains("return 2 * x"))
            #expect(!(try await client.inspect("nothing_here", in: context).isFound))
        }
    }

    @Test("a lost watcher attaches again, and goes on after the last display that it has")
    func resume() async throws {
        try await Self.with { client, lease, context in
            var command = Command(piece: "for i in range(20):\n    print(i)\n    display(i)", in: context)
            command.resumable = .seconds(60)
            let execution = client.execute(command, in: lease)
            var seen: [String] = []
            var events = execution.makeAsyncIterator()
            while seen.count < 11, let event = try await events.next() {
                switch event {
                case .output(let output): seen.append(String(decoding: output.data, as: UTF8.self))
                case .display(let display): seen.append("<\(display.text ?? "")>")
                default: break
                }
            }
            for try await event in try client.resume(execution) {
                switch event {
                case .output(let output): seen.append(String(decoding: output.data, as: UTF8.self))
                case .display(let display): seen.append("<\(display.text ?? "")>")
                case .dropped: Issue.record("something was dropped")
                default: break
                }
            }
            #expect(seen.joined() == (0..<20).map { "\($0)\n<\($0)>" }.joined())
        }
    }
}

extension Command {
    /// More input may come.
    func withOpenInput() -> Command {
        var command = self
        command.keepsStdinOpen = true
        return command
    }
}
