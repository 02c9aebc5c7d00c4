// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Foundation
import Glibc
import Pool
import Service
import Testing
import TestSupport

/// ForkContext, through every layer but the container. `Integration/ForkContextTests` has it in real ones.
@Suite("Copies of contexts", .serialized)
struct ForkContextTests {
    @Test("20 copies of a context with a 50 MB array each have variables of their own, and the original keeps its")
    func twenty() async throws {
        try await ContextTests.with { client, lease, context in
            try await client.run("array = bytearray(50 << 20); mine = 'original'; import os", in: context)
            var copies: [Context] = []
            for _ in 0..<20 { copies.append(try await client.forkContext(context)) }
            for (number, copy) in copies.enumerated() {
                try await client.run("array[0] = \(number); mine = \(number)", in: copy)
            }
            for (number, copy) in copies.enumerated() {
                let value = try await client.run("array[0], mine, len(array) >> 20", in: copy).value
                #expect(value == "(\(number), \(number), 50)")
            }
            #expect(try await client.run("array[0], mine", in: context).value == "(0, 'original')")
            let infos = try await client.contexts(in: lease)
            #expect(infos.map(\.pieces) == [UInt64](repeating: 2, count: 21))
            #expect(Set(infos.map(\.version)) == [context.version])
        }
    }

    @Test(
        "a copy is a context as any other: output of its own, input, failures with their trace, interrupts, completion")
    func whole() async throws {
        try await ContextTests.with { client, _, context in
            try await client.run("def f():\n    return 1 / 0\nname = 'x'", in: context)
            let copy = try await client.forkContext(context)
            let failed = try await client.run("print('out'); f()", in: copy)
            #expect(failed.text == "out\n")
            #expect(failed.failure?.traceback.contains("    return 1 / 0") == true, "\(failed)")
            let asked = client.execute(Command(piece: "input('? ')", in: copy).withOpenInput(), in: copy.lease)
            var answers: [String?] = []
            for try await event in asked {
                if case .prompt = event { try await asked.write(Array("answer\n".utf8)) }
                if case .display(let display) = event { answers.append(display.text) }
            }
            #expect(answers == ["'answer'"])
            let endless = client.execute("kept = 1\nprint(1)\nwhile True: pass", in: copy)
            for try await event in endless {
                if case .output = event { try await endless.signal(.interrupt) }
                if case .ended(let ended) = event { #expect(!ended.isContextLost, "\(ended)") }
            }
            #expect(try await client.run("kept", in: copy).value == "1")
            #expect(try await client.complete("na", in: copy).matches.contains("name"))
            let subprocess = try await client.run(
                "import subprocess, sys; subprocess.run(['echo', 'of C']); print('err', file=sys.stderr)", in: copy)
            #expect(subprocess.text == "of C\n")
            #expect(subprocess.errorText == "err\n")
            #expect(try await client.run("kept", in: context).failure?.name == "NameError")
        }
    }

    @Test("copies of copies live on when what they were made of has ended")
    func copiesOfCopies() async throws {
        try await ContextTests.with { client, lease, context in
            try await client.run("depth = 0", in: context)
            var chain = [context]
            for depth in 1...6 {
                let last = chain[chain.count - 1]
                chain.append(try await client.forkContext(last))
                try await client.run("depth = \(depth)", in: chain[depth])
            }
            try await client.closeContext(chain[0])
            try await client.run("import os; os._exit(1)", in: chain[3])
            for depth in [1, 2, 4, 5, 6] {
                #expect(try await client.run("depth", in: chain[depth]).value == "\(depth)")
            }
            let another = try await client.forkContext(chain[6])
            #expect(try await client.run("depth", in: another).value == "6")
            #expect(try await client.contexts(in: lease).count == 6)
        }
    }

    @Test("a context with threads is not copied, and the reason names them; once they have ended, it is")
    func threads() async throws {
        try await ContextTests.with { client, lease, context in
            try await client.run(
                "import threading\ngo = threading.Event()\nt = threading.Thread(target=go.wait, name='waiter')\nt.start()",
                in: context)
            let error = await refusal { _ = try await client.forkContext(context) }
            #expect(error?.code == .failedPrecondition)
            #expect(error?.reason == .contextStartFailed)
            #expect(
                error?.message == "the context can't be copied: a thread runs in it: waiter",
                "\(String(describing: error))")
            #expect(try await client.contexts(in: lease).count == 1)
            try await client.run("go.set(); t.join()", in: context)
            let copy = try await client.forkContext(context)
            #expect(try await client.run("threading.active_count()", in: copy).value == "1")
        }
    }

    @Test(
        "a copy is refused while a piece runs, where the language can't, of a context that is lost, and over max_contexts"
    )
    func refused() async throws {
        var limits = ServiceLimits()
        limits.maxContexts = 2
        try await ContextTests.with(limits: limits) { client, lease, context in
            let piece = client.execute("print(1)\nimport time\nwhile True: time.sleep(1)", in: context)
            var reasons: [BerthError.Reason?] = []
            for try await event in piece {
                if case .output = event {
                    reasons.append(await refusal { _ = try await client.forkContext(context) }?.reason)
                    try await piece.signal(.interrupt)
                }
            }
            #expect(reasons == [.contextBusy])
            let shell = try await client.openContext("bash", in: lease, cwd: "/tmp")
            let other = await refusal { _ = try await client.forkContext(shell) }
            #expect(other?.code == .unimplemented)
            #expect(other?.message.contains("bash") == true)
            let full = await refusal { _ = try await client.forkContext(context) }
            #expect(full?.reason == .contextLimit)
            try await client.run("exit 3", in: shell)
            try await client.run("import os; os._exit(3)", in: context)
            let lost = await refusal { _ = try await client.forkContext(context) }
            #expect(lost?.reason == .noSuchContext)
        }
    }

    @Test("random numbers differ in every copy, of the standard library as of NumPy where it is loaded")
    func random() async throws {
        try await ContextTests.with { client, _, context in
            try await client.run(
                """
                import random, sys, types
                random.seed(1)
                # As NumPy's looks from outside.
                numpy = types.ModuleType("numpy.random")
                numpy.state = 1
                def seed(): numpy.state = random.SystemRandom().random()
                numpy.seed = seed
                sys.modules["numpy.random"] = numpy
                """, in: context)
            var seen: Set<String> = []
            for _ in 0..<5 {
                let copy = try await client.forkContext(context)
                let value = try await client.run("random.random(), numpy.state", in: copy).value ?? ""
                for part in value.split(separator: ",") { seen.insert(String(part)) }
            }
            #expect(seen.count == 10, "\(seen)")
            #expect(
                try await client.run("random.random(), numpy.state", in: context).value == "(0.13436424411240122, 1)")
        }
    }

    @Test("tasks that wait in the loop go on in the copy and in the original, neither waking the other")
    func tasks() async throws {
        try await ContextTests.with { client, _, context in
            try await client.run(
                """
                import asyncio
                steps = []
                async def work():
                    while True:
                        await asyncio.sleep(0.01)
                        steps.append(1)
                await asyncio.sleep(0)
                task = asyncio.ensure_future(work())
                await asyncio.sleep(0.03)
                """, in: context)
            let copy = try await client.forkContext(context)
            for one in [copy, context, copy] {
                let code =
                    "before = len(steps); await asyncio.sleep(0.1); await asyncio.to_thread(len, []); len(steps) > before"
                #expect(try await client.run(code, in: one, timeout: .seconds(10)).value == "True")
            }
        }
    }

    @Test("copies that are asked for at once are all made, and a piece that comes meanwhile is refused")
    func atOnce() async throws {
        try await ContextTests.with { client, _, context in
            try await client.run("x = 1", in: context)
            let copies = try await withThrowingTaskGroup(of: Context.self) { group in
                for _ in 0..<10 { group.addTask { try await client.forkContext(context) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(Set(copies.map(\.id)).count == 10)
            for copy in copies { #expect(try await client.run("x", in: copy).value == "1") }
            #expect(try await client.run("x", in: context).value == "1")
        }
    }

    /// The processes below another, zombies too, and the descriptors of each.
    private static func below(_ root: pid_t) -> [pid_t] {
        let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc"))?.compactMap { pid_t($0) } ?? []
        var parents: [pid_t: pid_t] = [:]
        for pid in all {
            guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
                let end = stat.lastIndex(of: ")")
            else { continue }
            parents[pid] = stat[end...].split(separator: " ").dropFirst(2).first.flatMap { pid_t($0) }
        }
        func descends(_ pid: pid_t) -> Bool {
            guard let parent = parents[pid] else { return false }
            return parent == root || descends(parent)
        }
        return all.filter(descends)
    }

    private static func descriptors(_ pid: pid_t) -> Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count) ?? 0
    }

    @Test(
        "30 copies in a row that are closed again leave nothing: no process, no descriptor in the agent or the original"
    )
    func nothingLeft() async throws {
        try await TestServer.with { server, client in
            let lease = try await client.acquire()
            let context = try await client.openContext("python", in: lease, cwd: "/tmp")
            let original = pid_t(try await client.run("import os; os.getpid()", in: context).value ?? "") ?? 0
            let agent = try #require(server.runtime.process(of: MemberID(lease.member)))
            // What is made for the first one and kept is no growth.
            try await client.closeContext(try await client.forkContext(context))
            try await client.run("1", in: context)
            try await eventually("only the original is left") { Self.below(agent).count == 2 }
            let before = [agent, original].map(Self.descriptors)
            for number in 0..<30 {
                let copy = try await client.forkContext(context)
                // One leaves a process that hides from its session.
                let leave = "import subprocess; subprocess.Popen(['setsid', '-f', 'sleep', '1000']).wait()"
                if number % 10 == 0 { try await client.run(leave, in: copy) }
                try await client.closeContext(copy)
            }
            try await eventually("only the original is left") { Self.below(agent).count == 2 }
            #expect(Self.below(agent).contains(original))
            // The agent closes what it had of a copy when it hears of its end.
            try await eventually("no descriptor is left") { [agent, original].map(Self.descriptors) == before }
            #expect(try await client.run("1", in: context).value == "1")
            try await client.closeContext(context)
            try await eventually("nothing is left") { Self.below(agent).isEmpty }
            try await client.release(lease)
        }
    }

    @Test("what a copy has started ends with it, and what the original has started does not")
    func trees() async throws {
        try await ContextTests.with { client, _, context in
            let start = "import subprocess; subprocess.run(['setsid', '-f', 'sleep', '%s']); 1"
            func isRunning(_ seconds: String) -> Bool {
                let all =
                    (try? FileManager.default.contentsOfDirectory(atPath: "/proc"))?.compactMap { pid_t($0) } ?? []
                return all.contains { pid in
                    (try? String(contentsOfFile: "/proc/\(pid)/cmdline", encoding: .utf8)) == "sleep\0\(seconds)\0"
                }
            }
            let (own, copied) = ("98\(getpid())", "97\(getpid())")
            try await client.run(start.replacingOccurrences(of: "%s", with: own), in: context)
            let copy = try await client.forkContext(context)
            try await client.run(start.replacingOccurrences(of: "%s", with: copied), in: copy)
            try await eventually("both run") { isRunning(own) && isRunning(copied) }
            try await client.closeContext(copy)
            try await eventually("the copy's has ended") { !isRunning(copied) }
            #expect(isRunning(own))
            let next = try await client.forkContext(context)
            try await client.closeContext(context)
            try await eventually("the original's has ended") { !isRunning(own) }
            #expect(try await client.run("1", in: next).value == "1")
        }
    }

    private struct Hostile: CustomTestStringConvertible {
        var testDescription: String
        var code: String
        /// What the refusal says; nil: the copy is made.
        var words: String?
        var isLost = false
    }

    private static let cases = [
        Hostile(testDescription: "os.fork is replaced", code: "import os; os.fork = lambda: 0"),
        Hostile(
            testDescription: "fork is refused by a hook",
            code:
                "import sys\ndef hook(event, _):\n    if event == 'os.fork': raise RuntimeError('no forks')\nsys.addaudithook(hook)",
            words: "no forks"),
        Hostile(
            testDescription: "the child exits at once",
            code: "import os; os.register_at_fork(after_in_child=lambda: os._exit(3))", words: "the copy ended"),
        Hostile(
            testDescription: "descriptors of output are closed", code: "import os; os.close(1); os.close(2)"),
        Hostile(testDescription: "the seed raises", code: "import random; random.seed = None", words: "TypeError"),
        Hostile(
            testDescription: "no module can be imported",
            code: "import sys\nfor name in ('_socket', 'select', 'resource', 'time'): sys.modules[name] = None",
            words: "_socket"),
        Hostile(
            testDescription: "builtins are empty", code: "import builtins; builtins.__dict__.clear()",
            words: "NameError"),
    ]

    @Test(
        "whatever a piece has done to forks, the copy works or the reason is said, and the original goes on",
        arguments: cases)
    private func hostile(_ hostile: Hostile) async throws {
        try await ContextTests.with { client, lease, context in
            try await client.run(hostile.code, in: context)
            if let words = hostile.words {
                let error = await refusal { _ = try await client.forkContext(context) }
                #expect(error?.reason == .contextStartFailed, "\(String(describing: error))")
                #expect(error?.message.contains(words) == true, "\(String(describing: error))")
            } else {
                let copy = try await client.forkContext(context)
                #expect(try await client.run("6 * 7", in: copy).value == "42")
                try await client.closeContext(copy)
            }
            #expect(try await client.run("6 * 7", in: context, timeout: .seconds(5)).value == "42")
            #expect(try await client.contexts(in: lease).count == 1)
        }
    }
}
