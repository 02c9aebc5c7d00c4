// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Testing
import TestSupport

/// Pieces that do to their interpreter what they can: the end is typed, and others notice nothing. What they do to other
/// processes is in Integration's, in a container.
@Suite("Hostile pieces of code")
struct HostileContextTests {
    private struct Case: CustomTestStringConvertible {
        var testDescription: String
        var code: String
        var cause: EndCause
        var isLost = true
        var words = ""
        /// What is to be read on stderr.
        var errors = ""
        var language = "python"
    }

    private static let closed = "the context was killed: it closed or replaced its control descriptor"

    private static let cases = [
        Case(testDescription: "exits", code: "import os; os._exit(3)", cause: .exited),
        Case(testDescription: "kills itself", code: "import os; os.kill(os.getpid(), 9)", cause: .signalled),
        Case(
            testDescription: "closes control", code: "import os, time; os.close(3); time.sleep(60)",
            cause: .contextLost, words: closed),
        Case(
            testDescription: "closes control and ends", code: "import os; os.close(3)", cause: .contextLost,
            words: closed),
        Case(
            testDescription: "closes all descriptors but the standard ones and fails",
            code: "import os; os.closerange(3, 256); print('x'); 1 / 0", cause: .contextLost, words: closed,
            errors: "ZeroDivisionError: division by zero\n"),
        Case(
            testDescription: "closes every descriptor", code: "import os; os.closerange(0, 4096)", cause: .contextLost,
            words: closed),
        Case(
            testDescription: "has another file where control was, and shows something",
            code: "import os; os.dup2(os.open('/dev/null', os.O_RDWR), 3); display(1)", cause: .contextLost,
            words: closed),
        Case(
            testDescription: "shuts control down", code: "import socket; socket.socket(fileno=3).shutdown(2)",
            cause: .contextLost, words: closed),
        Case(
            testDescription: "closes control, which a child keeps",
            code: "import os, time\nif os.fork() == 0: time.sleep(60)\nos.close(3)", cause: .contextLost,
            words: closed),
        Case(
            testDescription: "closes all descriptors in a child",
            code: "import os\nif os.fork() == 0: os.closerange(3, 4096); 1 / 0\nassert os.wait()[1] == 256",
            cause: .exited, isLost: false, errors: "ZeroDivisionError: division by zero\n"),
        Case(
            testDescription: "closes control and exits", code: "import os; os.close(3); os._exit(0)", cause: .exited),
        Case(
            testDescription: "announces more than it sends", code: "import os; os.write(3, b'd5000\\nno more')",
            cause: .timedOut, words: "its context is lost"),
        Case(
            testDescription: "closes what bash has put aside",
            code: "for i in {3..254}; do eval \"exec $i>&-\"; done 2>/dev/null; echo x; true", cause: .contextLost,
            words: closed, language: "bash"),
        Case(
            testDescription: "closes what bash has put aside and fails",
            code: "for i in {3..254}; do eval \"exec $i>&-\"; done 2>/dev/null; ${none:?such}", cause: .contextLost,
            words: closed, language: "bash"),
        Case(
            testDescription: "closes a shell's own descriptors", code: "exec 0<&- 3>&- 8<&- 9>&-; true", cause: .exited,
            isLost: false, language: "bash"),
        Case(
            testDescription: "closes sh's own descriptors", code: "exec 0<&- 3>&- 8<&- 9>&-; true", cause: .exited,
            isLost: false, language: "sh"),
        Case(
            testDescription: "closes control in Node and fails",
            code: "require('fs').closeSync(3); throw new TypeError('no')", cause: .contextLost, words: closed,
            errors: "TypeError: no", language: "node"),
        Case(
            testDescription: "closes control in Node", code: "require('fs').closeSync(3)", cause: .contextLost,
            words: closed, language: "node"),
        Case(
            testDescription: "has another file where Node's control was",
            code: "require('fs').closeSync(3); require('fs').openSync('/dev/null', 'r+')", cause: .contextLost,
            words: closed, language: "node"),
        Case(
            testDescription: "closes all descriptors in Node",
            code: "for (let i = 3; i < 256; i++) try { require('fs').closeSync(i) } catch {}", cause: .signalled,
            language: "node"),
        Case(
            testDescription: "writes nonsense", code: "import os, time; os.write(3, b'nonsense'); time.sleep(60)",
            cause: .contextLost, words: "nonsense"),
        Case(
            testDescription: "announces more than may be",
            code: "import os, time; os.write(3, b'd99999999\\n'); time.sleep(60)", cause: .contextLost,
            words: "99999999"),
        Case(
            testDescription: "writes without end to control",
            code: "import os\nwhile True: os.write(3, b'x' * 65536)", cause: .contextLost),
        Case(
            testDescription: "says that an older piece has ended", code: "import os; os.write(3, b'e3\\n1 0')",
            cause: .exited, isLost: false),
        Case(
            testDescription: "sends what is no message",
            code: "import os\nos.write(3, b'd4\\n\\xff\\xff\\xff\\xff')\nos.write(3, b'f2\\n\\xff\\xff')",
            cause: .exited, isLost: false),
        Case(
            testDescription: "sends a message of very many parts",
            code: "import os\ndata = b'\\x22\\x00' * 500000\nos.write(3, b'f%d\\n' % len(data) + data)",
            cause: .exited, isLost: false),
        Case(
            testDescription: "forks", code: "import os\nif os.fork() == 0: raise ValueError('child')\nos.wait()",
            cause: .exited, isLost: false),
        Case(
            testDescription: "traces all calls", code: "import sys\nsys.settrace(lambda *a: 1 / 0)\nlen([])",
            cause: .exited, isLost: false),
        Case(
            testDescription: "takes stdout away", code: "import sys\nsys.stdout = sys.stderr = None\ndel sys.stdin",
            cause: .exited, isLost: false),
        Case(
            testDescription: "empties builtins", code: "import builtins\nbuiltins.__dict__.clear()", cause: .exited,
            isLost: false),
        Case(
            testDescription: "shows what raises",
            code:
                "class A:\n    def __repr__(self): raise KeyError(self)\n    __str__ = __repr__\nraise type('E', (Exception,), {'__str__': lambda s: 1 / 0})",
            cause: .exited, isLost: false),
        Case(
            testDescription: "has a repr without end",
            code: "class A:\n    def __repr__(self):\n        while True: pass\nA()", cause: .timedOut, isLost: false),
        Case(
            testDescription: "shows what contains itself", code: "x = []\nfor i in range(10000): x = [x]\nx",
            cause: .exited, isLost: false),
        Case(
            testDescription: "ignores interrupts",
            code: "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(60)", cause: .timedOut),
    ]

    @Test(
        "whatever a piece does, its end is typed, and another context of the lease and the next one are well",
        arguments: cases)
    private func hostile(_ hostile: Case) async throws {
        try await ContextTests.with(hostile.language) { client, lease, context in
            let other = try await client.openContext("python", in: lease, cwd: "/tmp")
            try await client.run("kept = 5", in: other)
            var command = Command(piece: hostile.code, in: context, timeout: .seconds(2))
            command.grace = .milliseconds(300)
            let output = try await client.run(command, in: lease)
            #expect(output.ended.cause == hostile.cause, "\(output.ended)")
            #expect(output.ended.isContextLost == hostile.isLost, "\(output.ended)")
            #expect(output.ended.message.contains(hostile.words), "\(output.ended.message)")
            #expect(hostile.errors.isEmpty || output.errorText.contains(hostile.errors), "\(output.errorText)")
            #expect(try await client.run("kept", in: other).value == "5")
            if !hostile.isLost {
                let code = hostile.language == "python" ? "1 + 1" : "true"
                let after = try await client.run(code, in: context, timeout: .seconds(5))
                #expect(after.ended.cause == .exited)
                #expect(!after.ended.isContextLost)
            }
            let next = try await client.openContext("python", in: lease, cwd: "/tmp")
            #expect(try await client.run("2", in: next).value == "2")
        }
    }

    @Test("a thread that goes on printing is heard in the next piece, and no piece waits for it")
    func thread() async throws {
        try await ContextTests.with { client, _, context in
            let first = try await client.run(
                """
                import threading
                go, done = threading.Event(), threading.Event()
                def late():
                    go.wait()
                    print("late")
                    display("nowhere")
                    done.set()
                threading.Thread(target=late).start()
                """, in: context)
            #expect(first.text == "")
            let second = try await client.run("go.set(); done.wait(); 'own'", in: context)
            #expect(second.text == "late\n")
            #expect(second.value == "'own'")
        }
    }
}
