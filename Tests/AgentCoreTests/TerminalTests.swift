// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import Glibc
import Testing
import TestSupport

@Suite("Programs in a terminal")
struct TerminalTests {
    typealias Started = (execution: UInt64, streamID: UInt32)

    /// Types on the terminal of a program and reads what it shows.
    final class Typist {
        let agent: AgentProcess
        let started: Started
        private(set) var shown = ""
        private var typed: UInt64 = 0
        private var read = 0
        private(set) var ended: Agent.Ended?

        init(
            _ agent: AgentProcess, _ argv: [String], rows: UInt32 = 0, columns: UInt32 = 0,
            _ change: (inout Agent.ExecuteRequest) -> Void = { _ in }
        ) throws {
            self.agent = agent
            started = try agent.start(argv) {
                $0.env = ["PATH=/usr/bin:/bin", "TERM=xterm", "PS1=> "]
                $0.keepsStdinOpen = true
                $0.terminal = Agent.Terminal(rows: rows, columns: columns)
                change(&$0)
            }
        }

        func type(_ text: String, end: Bool = false) throws {
            let bytes = Array(text.utf8)
            let request = Agent.InputRequest(execution: started.execution, offset: typed, data: bytes, isEnd: end)
            let answer = try agent.call("Input", request)
            try #require(answer.status == nil, "\(String(describing: answer.status))")
            typed += UInt64(bytes.count)
        }

        func resize(rows: UInt32, columns: UInt32) throws {
            let request = Agent.ResizeRequest(
                execution: started.execution, terminal: Agent.Terminal(rows: rows, columns: columns))
            #expect(try agent.call("Resize", request).status == nil)
        }

        /// Reads until `text` is shown after the text of the previous wait.
        func wait(for text: String) throws {
            while true {
                let new = shown.utf8.dropFirst(read)
                if let found = Substring(new).range(of: text) {
                    read = shown.utf8.distance(from: shown.utf8.startIndex, to: found)
                    return
                }
                guard (try? step()) == true else {
                    Issue.record("\(text) was not shown, but \(shown)")
                    throw AgentProcess.StreamEnded()
                }
            }
        }

        /// - Returns: false at the end.
        private func step() throws -> Bool {
            switch try agent.event(started.streamID) {
            case .output(let output):
                #expect(output.stream == 0)
                shown += String(decoding: output.data, as: UTF8.self)
                _ = try agent.open(
                    "Acknowledge",
                    Agent.AcknowledgeRequest(execution: started.execution, bytes: UInt64(output.data.count)).encoded())
            case .ended(let ended): self.ended = ended
            case .started, .outputEnded, .unknown: break
            case nil: return false
            }
            return true
        }

        func finish() throws -> Agent.Ended {
            while try step() {}
            return try #require(ended)
        }
    }

    @Test("standard input, output and error are one terminal, which is the program's own, of its user and of its size")
    func place() throws {
        let agent = try AgentProcess()
        let script = """
            test -t 0 && test -t 1 && test -t 2 && echo all; test "$(tty)" = "$(readlink /proc/self/fd/2)" && echo same
            echo err >&2; stat -c '%u' $(tty); stty size; ps -o tty=,sid=,pgid=,tpgid= -p $$; : > /dev/tty && echo opened
            """
        let outcome = try agent.run(shell: script) {
            $0.terminal = Agent.Terminal()
            $0.env = ["PATH=/usr/bin:/bin"]
        }
        let lines = outcome.text.split(separator: "\r\n").map(String.init)
        try #require(lines.count == 7, "\(lines)")
        #expect(lines[...4] == ["all", "same", "err", "\(getuid())", "24 80"])
        let pid = String(try #require(outcome.pid))
        #expect(lines[5].split(separator: " ").dropFirst().map(String.init) == [pid, pid, pid])
        #expect(lines[6] == "opened")
        #expect(outcome.stderr.isEmpty)
        #expect(outcome.ended.cause == .exited)
        #expect(outcome.ended.stderrBytes == 0)
    }

    @Test("a terminal belongs to the program's user, whoever the agent is")
    func owner() throws {
        let agent = try AgentProcess()
        let outcome = try agent.run(shell: "stat -c '%u %a' $(tty); exec 3<>$(tty) && echo opened") {
            $0.terminal = Agent.Terminal(rows: 1, columns: 1)
            $0.uid = 61234
            $0.gid = 61234
        }
        let lines = outcome.text.split(separator: "\r\n")
        #expect(lines.first == "61234 620" || lines.first == "61234 600", "\(lines)")
        #expect(lines.last == "opened")
    }

    @Test("a size is followed, with SIGWINCH, and sizes that are no sizes do no harm")
    func resize() throws {
        let agent = try AgentProcess()
        let script = "trap 'stty size' WINCH; stty size; while :; do sleep 0.01; done"
        let typist = try Typist(agent, ["sh", "-c", script], rows: 30, columns: 100)
        try typist.wait(for: "30 100")
        try typist.resize(rows: 50, columns: 132)
        try typist.wait(for: "50 132")
        try typist.resize(rows: .max, columns: 0)
        try typist.wait(for: "65535 80")
        try agent.signal(typist.started.execution, SIGKILL)
        #expect(try typist.finish().signal == SIGKILL)
    }

    @Test("a shell has its prompt, line editing, Ctrl-C, job control and Ctrl-D as in a real terminal")
    func shell() throws {
        let agent = try AgentProcess()
        let typist = try Typist(agent, ["bash", "--norc", "--noprofile", "-i"])
        try typist.wait(for: "> ")
        try typist.type("echo ab\u{7F}c$((1+1))\n")
        try typist.wait(for: "ac2\r\n")
        try typist.wait(for: "> ")
        // In the foreground: before that, the keys would be the shell's. And it forks nothing: a child of vfork that is
        // stopped would hold up its parent.
        try typist.type("sh -c 'echo r''un; read line'\n")
        try typist.wait(for: "run\r\n")
        try typist.type("\u{03}")
        try typist.wait(for: "^C")
        try typist.wait(for: "> ")
        try typist.type("echo code $?\n")
        try typist.wait(for: "code 130\r\n")
        try typist.wait(for: "> ")
        // In the foreground: before that, the keys would be the shell's.
        try typist.type("sh -c 'echo r''un; read line'\n")
        try typist.wait(for: "run\r\n")
        try typist.type("\u{1A}")
        try typist.wait(for: "Stopped")
        try typist.wait(for: "> ")
        try typist.type("bg; jobs; kill %1; wait; echo all $?\n")
        try typist.wait(for: "all ")
        try typist.type("exit 7\n")
        let ended = try typist.finish()
        #expect(ended.cause == .exited)
        #expect(ended.exitCode == 7)
    }

    @Test("the end of the input is the end-of-file character: a line that has begun is handed over first")
    func end() throws {
        let agent = try AgentProcess()
        for text in ["one\n", "one", ""] {
            let typist = try Typist(agent, ["sh", "-c", "stty -echo; echo ready; cat; echo end"])
            try typist.wait(for: "ready")
            try typist.type(text, end: true)
            #expect(try typist.finish().exitCode == 0)
            #expect(typist.shown.replacing("\r\n", with: "\n") == "ready\n\(text)end\n")
        }
    }

    /// Item A5.
    @Test("the end of the input reaches a program that sets its terminal up late", arguments: 1...5)
    func endBeforeRawMode(round: Int) throws {
        let agent = try AgentProcess()
        for text in ["print(6 * 7)\n", ""] {
            let typist = try Typist(agent, ["python3", "-q"])
            try typist.type(text, end: true)
            let ended = try typist.finish()
            #expect(ended.cause == .exited)
            #expect(text.isEmpty || typist.shown.contains("42\r\n"))
        }
    }

    @Test("the end of the input stays one, for whoever reads the terminal next")
    func endOfAll() throws {
        let agent = try AgentProcess()
        let typist = try Typist(agent, ["bash", "--norc", "--noprofile", "-i"])
        try typist.type("cat\nsleep 0.1; exec cat\n", end: true)
        #expect(try typist.finish().exitCode == 0)
    }

    @Test("a terminal without echo shows nothing of what is typed, from the first byte on")
    func noEcho() throws {
        let agent = try AgentProcess()
        let typist = try Typist(agent, ["sh", "-c", "read line; echo got-$line"]) {
            $0.terminal = Agent.Terminal(hidesInput: true)
        }
        try typist.type("secret\n")
        #expect(try typist.finish().exitCode == 0)
        #expect(typist.shown == "got-secret\r\n")
    }

    @Test("input that ends with the request ends the terminal's too")
    func endOfRequest() throws {
        let agent = try AgentProcess()
        let outcome = try agent.run(["cat"]) {
            $0.terminal = Agent.Terminal()
            $0.stdin = Array("hello\n".utf8)
        }
        #expect(outcome.text.hasSuffix("hello\r\n"))
        #expect(outcome.ended.exitCode == 0)
    }

    @Test("all that was written before the exit arrives, however fast the exit", arguments: 1...5)
    func nothingLost(round: Int) throws {
        let agent = try AgentProcess()
        let outcome = try agent.run(shell: "seq 1 20000") { $0.terminal = Agent.Terminal() }
        #expect(outcome.text == (1...20000).map { "\($0)\r\n" }.joined())
        let short = try agent.run(["echo", "short"]) { $0.terminal = Agent.Terminal() }
        #expect(short.text == "short\r\n")
    }

    @Test("what the program left is hung up and killed, and a foreign holder of the terminal delays its end but little")
    func foreignHolder() throws {
        let agent = try AgentProcess()
        let typist = try Typist(agent, ["sh", "-c", "tty; (trap '' HUP; sleep 1000) & read line; echo last"])
        try typist.wait(for: "\r\n")
        let path = try #require(typist.shown.split(separator: "\r\n").first.map(String.init))
        let holder = try agent.start(shell: "exec 3<>\(path); echo holds; sleep 1000")
        _ = try agent.stdout(holder, count: 6)
        let took = try ContinuousClock().measure {
            try typist.type("\n")
            #expect(try typist.finish().exitCode == 0)
        }
        #expect(typist.shown.hasSuffix("last\r\n"))
        #expect(took < .seconds(5))
        try agent.signal(holder.execution, SIGKILL)
        _ = try agent.finish(holder, stdoutFrom: 6)
    }

    @Test("a program that reads nothing holds back who types, and loses nothing in raw mode")
    func rawInput() throws {
        let agent = try AgentProcess()
        let typist = try Typist(
            agent,
            ["sh", "-c", "stty raw -echo; echo ready; read go < /dev/null; sleep 0.2; head -c 600000 | sha256sum"])
        try typist.wait(for: "ready")
        let block = String(repeating: "0123456789", count: 20_000)
        for _ in 0..<3 { try typist.type(block) }
        let reference = try agent.run(["sha256sum"]) { $0.stdin = Array(String(repeating: block, count: 3).utf8) }
        try typist.wait(for: String(reference.text.prefix(64)))
        #expect(try typist.finish().exitCode == 0)
    }
}

extension Substring {
    /// The end of `text` in this string.
    fileprivate func range(of text: String) -> String.Index? { ranges(of: text).first?.upperBound }
}
