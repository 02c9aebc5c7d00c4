// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Foundation
import Testing
import TestSupport

/// Pieces that do their worst in a real container, also to what is not theirs: the end is typed, and neither the server nor
/// another lease notices anything.
@Suite("Hostile pieces of code, in a real container", .serialized)
struct HostileContextTests {
    private struct Case {
        var name: String
        var code: String
        var cause: EndCause
        var isLost = false
        var words = ""
        /// What is to be read on stderr.
        var errors = ""
    }

    private static let cases = [
        Case(
            name: "signals the agent, its supervisor and all others",
            code: """
                import os
                for number in (9, 15, 2, 19, 1, 10):
                    for pid in [1, os.getppid()] + [int(n) for n in os.listdir("/proc") if n.isdigit()]:
                        if pid == os.getpid(): continue
                        try: os.kill(pid, number)
                        except OSError: pass
                        else: print("reached", pid, number)
                """, cause: .exited),
        Case(
            name: "signals everything at once",
            code: "import os\ntry: os.kill(-1, 9)\nexcept OSError: pass", cause: .exited),
        Case(
            name: "closes its control", code: "import os, time; os.close(3); time.sleep(60)", cause: .contextLost,
            isLost: true, words: "it closed or replaced its control descriptor"),
        Case(
            name: "closes its descriptors and fails", code: "import os; os.closerange(3, 256); print('x'); 1 / 0",
            cause: .contextLost, isLost: true, words: "it closed or replaced its control descriptor",
            errors: "ZeroDivisionError: division by zero\n"),
        Case(
            name: "becomes a daemon in place", code: "import os; os.closerange(0, 4096); os.setpgid(0, 0)",
            cause: .contextLost, isLost: true, words: "it closed or replaced its control descriptor"),
        Case(
            name: "closes its descriptors in a child",
            code: "import os\nif os.fork() == 0: os.closerange(3, 256); 1 / 0\nos.wait()", cause: .exited,
            errors: "ZeroDivisionError: division by zero\n"),
        Case(
            name: "forges an end", code: "import os, time; os.write(3, b'e3\\n1 0'); time.sleep(0.01)", cause: .exited),
        Case(
            name: "forges a readiness and a copy", code: "import os; os.write(3, b'r5\\n3.0 2x4\\n1 no')",
            cause: .exited),
        Case(
            name: "forges events",
            code: "import os\nos.write(3, b'd4\\n\\xff\\xff\\xff\\xff')\nos.write(3, b'p2\\n\\xff\\xff')",
            cause: .exited),
        Case(
            name: "writes nonsense to its control", code: "import os, time; os.write(3, b'nonsense'); time.sleep(60)",
            cause: .contextLost, isLost: true, words: "nonsense"),
        Case(
            name: "forks", code: "import os\nif os.fork() == 0: raise ValueError('child')\nos.wait()", cause: .exited),
        Case(
            name: "forks as often as it may",
            code: """
                import os, time
                try:
                    while True:
                        if os.fork() == 0:
                            time.sleep(60)
                            os._exit(0)
                except OSError: pass
                os._exit(4)
                """, cause: .exited, isLost: true),
        Case(name: "traces all calls", code: "import sys\nsys.settrace(lambda *a: 1 / 0)\nlen([])", cause: .exited),
        Case(
            name: "takes stdout away", code: "import sys\nsys.stdout = sys.stderr = None\ndel sys.stdin", cause: .exited
        ),
        Case(name: "empties builtins", code: "import builtins\nbuiltins.__dict__.clear()", cause: .exited),
        Case(name: "exits", code: "import os; os._exit(3)", cause: .exited, isLost: true),
        Case(
            name: "has a repr without end",
            code: "class A:\n    def __repr__(self):\n        while True: pass\nA()", cause: .timedOut),
        Case(
            name: "shows what raises",
            code: "class A:\n    def __repr__(self): raise KeyError(self)\n    __str__ = __repr__\nA()", cause: .exited),
        Case(name: "shows what contains itself", code: "x = []\nfor i in range(10000): x = [x]\nx", cause: .exited),
        Case(
            name: "ignores interrupts",
            code: "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(60)", cause: .timedOut,
            isLost: true),
    ]

    @Test("the end of each is typed; the server, the container and another lease are as they were")
    func hostile() async throws {
        let size = ["--size", "2", "--max", "3", "--processes", "200"]
        try await ServerProcess.with(.runc, size) { server in
            try await server.withClient { client in
                let other = try await client.acquire()
                let kept = try await client.openContext("python", in: other)
                try await client.run("kept = 5", in: kept)
                let lease = try await client.acquire()
                for hostile in Self.cases {
                    // What the one before has left may still be ending.
                    var opened: Context?
                    try await eventually("there is room for an interpreter") {
                        opened = try? await client.openContext("python", in: lease)
                        return opened != nil
                    }
                    let context = try #require(opened)
                    var command = Command(piece: hostile.code, in: context, timeout: .seconds(2))
                    command.grace = .milliseconds(300)
                    let output = try await client.run(command, in: lease)
                    let told = Comment(rawValue: "\(hostile.name): \(output.ended), \(output.text)")
                    #expect(output.ended.cause == hostile.cause, told)
                    #expect(output.ended.isContextLost == hostile.isLost, told)
                    #expect(hostile.words.isEmpty || output.ended.message.contains(hostile.words), told)
                    #expect(output.errorText.hasSuffix(hostile.errors), told)
                    #expect(!output.text.contains("reached 1 "), told)
                    if !hostile.isLost {
                        #expect(try await client.run("1 + 1", in: context, timeout: .seconds(5)).value == "2", told)
                        try await client.closeContext(context)
                    }
                    #expect(try await client.run("kept", in: kept).value == "5", told)
                }
                // The container has its agent, and can be used.
                let after = try await client.run(Command(["sh", "-c", "echo $PPID"]), in: lease)
                #expect(after.text.isEmpty == false)
                let last = try await client.openContext("python", in: lease)
                #expect(try await client.run("6 * 7", in: last).value == "42")
                try await client.release(lease)
                try await client.release(other)
            }
        }
    }

    @Test("a display of 20 MB is left out with its size and the limit's name, by default and by a changed max_display")
    func largeDisplay() async throws {
        let script = """
            export BERTH_LEASE=$(berth acquire)
            context=$(berth context open python)
            show() { berth run --context $context --code "display({'image/png': b'p' * $1, 'text/plain': 'a picture'}, raw=True)" 2>&1; }
            show 20_000_000
            show 1_000_000
            """
        let refused = "bytes, more than the server may hold (max_display, held_memory), and is left out"
        try await ServerProcess.with(.runc, ["--size", "1", "--max", "1"]) { server in
            let lines = try await server.shell(script).out
            #expect(lines.contains("image/png has 20000000 \(refused)"), "\(lines)")
            #expect(!lines.contains("image/png has 1000000"), "\(lines)")
        }
        let path = "/tmp/berth-display-\(UUID().uuidString.prefix(8)).yaml"
        try "max_display: 512KiB\n".write(toFile: path, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await ServerProcess.with(.runc, ["--config", path, "--size", "1", "--max", "1"]) { server in
            let lines = try await server.shell(script).out
            #expect(lines.contains("image/png has 20000000 \(refused)"), "\(lines)")
            #expect(lines.contains("image/png has 1000000 \(refused)"), "\(lines)")
        }
    }
}
