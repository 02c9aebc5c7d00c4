// SPDX-License-Identifier: Apache-2.0

@testable import AgentLink
import AgentSchema
import BerthSchema
import NIOCore
import Testing

@Suite("What the server lets an agent say, which a program may have taken over")
struct UntrustedAgentTests {
    private func output(_ offset: UInt64, _ count: Int, stream: UInt32 = 0) -> Agent.ExecuteEvent {
        .output(Agent.Output(stream: stream, offset: offset, data: [UInt8](repeating: 7, count: count)))
    }

    /// The violation that the state finds for each of the events; nil if there is none.
    private func violations(
        _ events: [Agent.ExecuteEvent], window: UInt64 = 100_000,
        asked: Agent.ExecuteRequest = Agent.ExecuteRequest(execution: 1, argv: ["true"])
    ) -> [String?] {
        var state = ExecutionState(window: window, request: asked)
        return events.map { event in
            if case .violation(let what) = state.receive(event) { what } else { nil }
        }
    }

    @Test("a stream that keeps the rules goes on to its end")
    func good() {
        let events = [
            .started(Agent.Started(pid: 7)), output(0, 10), output(0, 5, stream: 1), .unknown, output(10, 1),
            .ended(Agent.Ended(cause: .exited, exitCode: 255, stdoutBytes: 15, stderrBytes: 5, stdoutTruncated: 4)),
        ]
        #expect(violations(events) == [nil, nil, nil, nil, nil, nil])
        #expect(violations([.ended(Agent.Ended(cause: .startFailed))]) == [nil])
    }

    @Test("whatever breaks a rule is a violation")
    func bad() {
        let started = Agent.ExecuteEvent.started(Agent.Started(pid: 7))
        let ended = Agent.ExecuteEvent.ended(Agent.Ended(cause: .exited))
        let cases: [(events: [Agent.ExecuteEvent], words: String)] = [
            ([output(0, 1)], "before the start"),
            ([ended], "without a start"),
            ([started, started], "second start"),
            ([started, output(1, 1)], "offset 1 where 0 was next"),
            ([started, output(0, 4), output(3, 1)], "offset 3 where 4 was next"),
            ([started, output(.max, 1)], "where 0 was next"),
            ([started, output(0, 1, stream: 2)], "stream 2"),
            ([started, output(0, 0)], "output of 0 bytes"),
            ([started, output(0, (64 << 10) + 1)], "output of 65537 bytes"),
            ([started, ended, output(0, 1)], "after the end"),
            ([started, ended, ended], "second end"),
            ([started, .ended(Agent.Ended(cause: .exited, exitCode: 256))], "exit code 256"),
            ([started, .ended(Agent.Ended(cause: .exited, exitCode: -1))], "exit code -1"),
            ([started, .ended(Agent.Ended(cause: .signalled, signal: .max))], "signal 2147483647"),
            ([started, .ended(Agent.Ended(cause: .exited, signal: 9))], "an exit by signal 9"),
            ([started, .ended(Agent.Ended(cause: .signalled))], "by no signal"),
            ([started, .ended(Agent.Ended(cause: .outOfMemory))], "nothing was killed"),
            ([started, .ended(Agent.Ended(cause: .startFailed))], "after the start"),
            ([.ended(Agent.Ended(cause: .outOfMemory, outOfMemoryKills: 1))], "without a start"),
            ([started, output(0, 3), ended], "0 bytes of output, 0 of them not sent, where 3 were"),
            ([started, .ended(Agent.Ended(cause: .exited, stderrBytes: 1))], "1 bytes of output"),
            ([started, .ended(Agent.Ended(cause: .exited, stdoutBytes: 1, stdoutTruncated: 2))], "2 of them not sent"),
            (
                [started, .ended(Agent.Ended(cause: .exited, message: String(repeating: "a", count: 5000)))],
                "5000 bytes of words"
            ),
        ]
        for cause in [
            EndCause.unspecified, .timedOut, .outputLimit, .containerLost, .draining, .idleTimeout, .cpuTimeLimit,
        ] {
            let found = violations([started, .ended(Agent.Ended(cause: cause))])
            #expect(found.last??.contains("cannot have: \(cause)") == true)
        }
        for (events, words) in cases {
            let found = violations(events)
            #expect(found.dropLast().allSatisfy { $0 == nil }, "\(events)")
            #expect(found.last??.contains(words) == true, "\(events): \(found)")
        }
    }

    @Test("an end for a limit is believed where that limit was asked for, and output beyond a limit nowhere")
    func limits() {
        let started = Agent.ExecuteEvent.started(Agent.Started(pid: 7))
        func asked(_ change: (inout Agent.ExecuteRequest) -> Void) -> Agent.ExecuteRequest {
            var request = Agent.ExecuteRequest(execution: 1, argv: ["true"])
            change(&request)
            return request
        }
        func end(_ cause: EndCause, _ bytes: UInt64 = 0, truncated: UInt64 = 0) -> Agent.ExecuteEvent {
            .ended(Agent.Ended(cause: cause, signal: 9, stdoutBytes: bytes, stdoutTruncated: truncated))
        }
        #expect(violations([started, end(.timedOut)], asked: asked { $0.timeoutMilliseconds = 1 }) == [nil, nil])
        #expect(
            violations([started, end(.idleTimeout)], asked: asked { $0.idleTimeoutMilliseconds = 1 }) == [nil, nil])
        #expect(violations([started, end(.cpuTimeLimit)], asked: asked { $0.cpuTimeMilliseconds = 1 }) == [nil, nil])
        let ten = asked { $0.maxOutputBytes = 10 }
        let killsAtTen = asked {
            $0.maxOutputBytes = 10
            $0.killsAtMaxOutput = true
        }
        #expect(
            violations([started, output(0, 10), output(0, 10, stream: 1), output(10, 1)], asked: ten)
                == [nil, nil, nil, "11 bytes of output where at most 10 were wanted"])
        #expect(violations([started, output(0, 10), end(.outputLimit, 10)], asked: ten).last??.isEmpty == false)
        #expect(
            violations([started, output(0, 10), end(.outputLimit, 30, truncated: 20)], asked: killsAtTen)
                == [nil, nil, nil])
        #expect(violations([started, output(0, 9), end(.outputLimit, 9)], asked: killsAtTen).last??.isEmpty == false)
    }

    @Test("an offset of input that is expected next is never beyond what was given, nor before what was taken")
    func input() {
        var state = ExecutionState(window: 8, request: Agent.ExecuteRequest(execution: 1, argv: [], stdin: [1, 2, 3]))
        state.gives(4, at: 3)
        #expect(state.mayExpect(7, after: 4, at: 3))
        #expect(!state.mayExpect(8, after: 4, at: 3))
        #expect(!state.mayExpect(6, after: 4, at: 3))
        #expect(state.mayExpect(7, after: 2, at: 0), "the same bytes again")
        #expect(!state.mayExpect(2, after: 4, at: 3))
        state.gives(10, at: .max)
        #expect(!state.mayExpect(3, after: 10, at: .max))
    }

    @Test("output beyond the credit is a violation; what was acknowledged may be sent again")
    func credit() {
        var state = ExecutionState(window: 8)
        _ = state.receive(.started(Agent.Started(pid: 1)))
        _ = state.receive(output(0, 8))
        #expect(state.acknowledge(1) == nil, "credit goes back in large pieces")
        #expect(state.acknowledge(1) == 2)
        if case .violation(let what) = state.receive(output(8, 2)) { Issue.record("\(what)") }
        guard case .violation(let what) = state.receive(output(10, 1)) else {
            Issue.record("a byte without credit passed")
            return
        }
        #expect(what == "9 bytes without credit, which is 8")
    }

    @Test("output is read where it lies only if that is what decoding it would give")
    func reading() throws {
        for (offset, count, stream) in [(UInt64(0), 1, UInt32(0)), (300, 5, 1), (UInt64.max, 40, 0)] {
            let event = output(offset, count, stream: stream)
            let chunk = try #require(OutputChunk(event: ByteBuffer(bytes: event.encoded())))
            guard case .output(let decoded) = event else { return }
            #expect(chunk == OutputChunk(decoded))
        }
        let whole = output(300, 5, stream: 1).encoded()
        for length in 0..<whole.count { #expect(OutputChunk(event: ByteBuffer(bytes: whole[..<length])) == nil) }
        #expect(OutputChunk(event: ByteBuffer(bytes: whole + [0x12, 0])) == nil)
        // The stream 2^32, which 32 bits make 0; an offset that comes last; and one that comes twice.
        for bytes: [UInt8] in [
            [0x12, 9, 0x08, 0x80, 0x80, 0x80, 0x80, 0x10, 0x1A, 1, 65], [0x12, 5, 0x1A, 1, 65, 0x10, 7],
            [0x12, 7, 0x10, 1, 0x1A, 1, 65, 0x10, 7],
        ] {
            guard case .output(let decoded) = try Agent.ExecuteEvent(decoding: bytes) else { return }
            #expect(OutputChunk(event: ByteBuffer(bytes: bytes)) == OutputChunk(decoded))
        }
    }
}
