// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import Glibc
import Testing
import TestSupport

@Suite("Live input")
struct InputTests {
    private typealias Started = (execution: UInt64, streamID: UInt32)

    private func input(
        _ agent: AgentProcess, _ started: Started, _ offset: UInt64, _ bytes: [UInt8], end: Bool = false
    ) throws -> Response {
        try agent.call(
            "Input",
            Agent.InputRequest(execution: started.execution, offset: offset, data: bytes, isEnd: end))
    }

    private func expected(_ response: Response) throws -> UInt64 {
        try #require(response.status == nil, "\(String(describing: response.status))")
        return try Agent.InputResponse(decoding: response.payload).offset
    }

    @Test("what is added arrives after what the request began with, and the end ends it")
    func conversation() throws {
        let agent = try AgentProcess()
        let started = try agent.start(["cat"]) {
            $0.stdin = Array("one ".utf8)
            $0.keepsStdinOpen = true
        }
        #expect(try agent.stdout(started, count: 4) == "one ")
        #expect(try expected(input(agent, started, 4, Array("two ".utf8))) == 8)
        #expect(try agent.stdout(started, count: 4) == "two ")
        #expect(try expected(input(agent, started, 8, Array("three".utf8), end: true)) == 13)
        let outcome = try agent.finish(started, stdoutFrom: 8)
        #expect(outcome.text == "three")
        #expect(outcome.ended.exitCode == 0)
        #expect(try input(agent, started, 13, [1]).status?.code == 5)
    }

    @Test("the same bytes again are taken once; a gap and bytes after the end are refused, and change nothing")
    func offsets() throws {
        let agent = try AgentProcess()
        let started = try agent.start(["cat"]) { $0.keepsStdinOpen = true }
        #expect(try expected(input(agent, started, 0, Array("abc".utf8))) == 3)
        #expect(try expected(input(agent, started, 0, Array("abc".utf8))) == 3)
        #expect(try expected(input(agent, started, 1, Array("bcde".utf8))) == 5)
        let gap = try input(agent, started, 6, [7])
        #expect(
            gap.status
                == Status(code: 9, message: "bytes are missing: offset 5 is expected", info: ErrorInfo(.inputGap)))
        #expect(try input(agent, started, .max, [7]).status?.code == 9)
        #expect(try input(agent, started, 1, [2], end: true).status?.code == 9, "an end before bytes that came")
        #expect(try input(agent, started, 5, [UInt8](repeating: 0, count: (256 << 10) + 1)).status?.code == 3)
        #expect(try expected(input(agent, started, 5, Array("f".utf8), end: true)) == 6)
        let outcome = try agent.finish(started)
        #expect(outcome.text == "abcdef")
    }

    @Test("an end that is said twice is one end, and nothing comes after it")
    func end() throws {
        let agent = try AgentProcess()
        // It reads its end, and stays.
        let started = try agent.start(shell: "cat; echo done; sleep 1000") { $0.keepsStdinOpen = true }
        #expect(try expected(input(agent, started, 0, Array("x".utf8), end: true)) == 1)
        #expect(try agent.stdout(started, count: 6) == "xdone\n")
        #expect(try expected(input(agent, started, 0, Array("x".utf8), end: true)) == 1)
        #expect(try expected(input(agent, started, 1, [], end: true)) == 1)
        #expect(try input(agent, started, 1, [1]).status?.message == "the input has ended at 1")
        try agent.signal(started.execution, 9)
        _ = try agent.finish(started, stdoutFrom: 6)
    }

    @Test("a call is answered when its bytes are taken, in order, and every byte arrives")
    func backPressure() throws {
        let agent = try AgentProcess()
        let started = try agent.start(shell: "read go < /dev/stdin; sha256sum") { $0.keepsStdinOpen = true }
        let other = try agent.start(shell: "exec 3<&0; sleep 1000") { $0.keepsStdinOpen = true }
        let block = (0..<(200 << 10)).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        // 64 KiB are in the pipe and 64 KiB wait without a call.
        let first = try agent.open(
            "Input", Agent.InputRequest(execution: other.execution, offset: 0, data: block).encoded())
        #expect(try agent.frameIfAny(of: first, within: 100) == nil)
        let second = try agent.open(
            "Input", Agent.InputRequest(execution: other.execution, offset: UInt64(block.count), data: []).encoded())
        #expect(try agent.frameIfAny(of: second, within: 50) == nil)
        #expect(try expected(input(agent, started, 0, Array("go\n".utf8))) == 3, "another execution's goes on")
        var offset: UInt64 = 3
        for round in 0..<20 {
            offset = try expected(input(agent, started, offset, block, end: round == 19))
        }
        #expect(offset == 3 + 20 * UInt64(block.count))
        // dash reads byte by byte, so that nothing after the line is lost.
        let reference = try agent.run(["sha256sum"]) { $0.stdin = Array(repeatElement(block, count: 20).joined()) }
        #expect(try agent.finish(started).text == reference.text)
        try agent.signal(other.execution, 9)
        #expect(try agent.finish(other).ended.signal == 9)
        for stream in [first, second] {
            // That its pipe is closed may be noticed before its end.
            let ends = ["the execution has ended", "the program no longer reads its input"]
            let status = try #require(try agent.response(stream).status)
            #expect(status.code == 9 && ends.contains(status.message))
        }
    }

    @Test("more than can wait is refused, and what waited is delivered all the same")
    func bound() throws {
        let agent = try AgentProcess()
        let started = try agent.start(shell: "read go < /dev/stdin; sha256sum | cut -c1-64") {
            $0.keepsStdinOpen = true
        }
        let block = [UInt8](repeating: 10, count: 256 << 10)
        var calls: [UInt32] = []
        var refused: Response?
        // The first line is empty: the shell reads it at once, and then only cat's pipe is left.
        let sleeper = try agent.start(["sleep", "1000"]) { $0.keepsStdinOpen = true }
        for number in 0..<6 {
            let call = try agent.open(
                "Input",
                Agent.InputRequest(execution: sleeper.execution, offset: UInt64(number * block.count), data: block)
                    .encoded())
            if try agent.frameIfAny(of: call, within: 20) != nil {
                refused = Response(payload: [])
                break
            }
            calls.append(call)
        }
        #expect(calls.count == 4)
        #expect(refused != nil)
        let again = try input(agent, sleeper, UInt64(4 * block.count), block)
        #expect(again.status?.code == 8)
        try agent.signal(sleeper.execution, 9)
        _ = try agent.finish(sleeper)
        for call in calls { #expect(try agent.response(call).status?.code == 9) }
        #expect(try expected(input(agent, started, 0, block, end: true)) == UInt64(block.count))
        let reference = try agent.run(shell: "sha256sum | cut -c1-64") { $0.stdin = Array(block.dropFirst()) }
        #expect(try agent.finish(started).text == reference.text)
    }

    @Test("many small calls that wait are bounded in number")
    func callBound() throws {
        let agent = try AgentProcess()
        let sleeper = try agent.start(["sleep", "1000"]) { $0.keepsStdinOpen = true }
        let block = [UInt8](repeating: 10, count: 200 << 10)
        let first = try agent.open(
            "Input", Agent.InputRequest(execution: sleeper.execution, offset: 0, data: block).encoded())
        var waiting = [first]
        for _ in 0..<15 {
            waiting.append(
                try agent.open(
                    "Input", Agent.InputRequest(execution: sleeper.execution, offset: 0, data: block).encoded()))
        }
        #expect(try input(agent, sleeper, 0, block).status?.code == 8)
        try agent.signal(sleeper.execution, 9)
        _ = try agent.finish(sleeper)
        for call in waiting { #expect(try agent.response(call).status?.code == 9) }
    }

    @Test("input for a program that has closed its own is refused, and it runs on")
    func closed() throws {
        let agent = try AgentProcess()
        let started = try agent.start(shell: "exec < /dev/null; echo closed; sleep 0.3; echo alive") {
            $0.keepsStdinOpen = true
        }
        _ = try agent.stdout(started, count: 7)
        let answer = try input(agent, started, 0, [1, 2, 3])
        #expect(answer.status == Status(code: 9, message: "the program no longer reads its input"))
        #expect(try agent.finish(started, stdoutFrom: 7).text == "alive\n")
    }

    @Test("input that a request began with may be as long as a frame, and more may follow")
    func longStart() throws {
        let agent = try AgentProcess()
        let long = [UInt8](repeating: 65, count: 3 << 20)
        let started = try agent.start(["wc", "-c"]) {
            $0.stdin = long
            $0.keepsStdinOpen = true
        }
        #expect(try expected(input(agent, started, UInt64(long.count), [1], end: true)) == UInt64(long.count) + 1)
        #expect(try agent.finish(started).text == "\(long.count + 1)\n")
    }

    @Test("a resize without a terminal is refused; an execution that is not there is not found")
    func others() throws {
        let agent = try AgentProcess()
        let started = try agent.start(["cat"]) { $0.keepsStdinOpen = true }
        let size = Agent.Terminal(rows: 10, columns: 20)
        #expect(
            try agent.call("Resize", Agent.ResizeRequest(execution: started.execution, terminal: size)).status
                == Status(code: 9, message: "the program has no terminal", info: ErrorInfo(.noTerminal)))
        #expect(try agent.call("Resize", Agent.ResizeRequest(execution: 999, terminal: size)).status?.code == 5)
        #expect(try agent.call("Input", Agent.InputRequest(execution: 999)).status?.code == 5)
        _ = try input(agent, started, 0, [], end: true)
        #expect(try agent.finish(started).ended.exitCode == 0)
    }
}
