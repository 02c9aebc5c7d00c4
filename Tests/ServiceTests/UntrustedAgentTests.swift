@testable import AgentLink
import NIOCore
import Schema
import Testing

@Suite("What the server lets an agent say, which a program may have taken over")
struct UntrustedAgentTests {
    private func output(_ offset: UInt64, _ count: Int, stream: UInt32 = 0) -> Agent.ExecuteEvent {
        .output(Agent.Output(stream: stream, offset: offset, data: [UInt8](repeating: 7, count: count)))
    }

    /// What the state makes of each of the events; nil where it goes on.
    private func violations(_ events: [Agent.ExecuteEvent], window: UInt64 = 100_000) -> [String?] {
        var state = ExecutionState(window: window)
        return events.map { event in
            if case .violation(let what) = state.receive(event) { what } else { nil }
        }
    }

    @Test("a stream that keeps the rules goes on to its end")
    func good() {
        let events = [
            .started(pid: 7), output(0, 10), output(0, 5, stream: 1), .unknown, output(10, 1),
            .ended(Agent.Ended(cause: .exited, exitCode: 255)),
        ]
        #expect(violations(events) == [nil, nil, nil, nil, nil, nil])
        #expect(violations([.ended(Agent.Ended(cause: .startFailed))]) == [nil])
    }

    @Test("whatever breaks a rule is a violation")
    func bad() {
        let started = Agent.ExecuteEvent.started(pid: 7)
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
            ([started, output(0, (32 << 10) + 1)], "output of 32769 bytes"),
            ([started, ended, output(0, 1)], "after the end"),
            ([started, ended, ended], "second end"),
            ([started, .ended(Agent.Ended(cause: .exited, exitCode: 256))], "exit code 256"),
            ([started, .ended(Agent.Ended(cause: .exited, exitCode: -1))], "exit code -1"),
            ([started, .ended(Agent.Ended(cause: .signalled, signal: .max))], "signal 2147483647"),
        ]
        for (events, words) in cases {
            let found = violations(events)
            #expect(found.dropLast().allSatisfy { $0 == nil }, "\(events)")
            #expect(found.last??.contains(words) == true, "\(events): \(found)")
        }
    }

    @Test("output beyond the credit is a violation; what was acknowledged may be sent again")
    func credit() {
        var state = ExecutionState(window: 8)
        _ = state.receive(.started(pid: 1))
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

    @Test("output is passed on as it was encoded only if that is what decoding it would give")
    func canonical() throws {
        for (offset, count, stream) in [(UInt64(0), 1, UInt32(0)), (300, 5, 1), (UInt64.max, 40, 0)] {
            let encoded = ByteBuffer(bytes: output(offset, count, stream: stream).encoded())
            let chunk = try #require(OutputChunk(canonical: encoded))
            #expect(chunk.offset == offset)
            #expect(chunk.count == count)
            #expect(chunk.stream == stream)
            #expect(chunk.encoded == encoded)
        }
        let whole = output(300, 5, stream: 1).encoded()
        for length in 0..<whole.count { #expect(OutputChunk(canonical: ByteBuffer(bytes: whole[..<length])) == nil) }
        #expect(OutputChunk(canonical: ByteBuffer(bytes: whole + [0x12, 0])) == nil)
        // The stream 2^32, which 32 bits would make 0.
        #expect(
            OutputChunk(canonical: ByteBuffer(bytes: [0x12, 9, 0x08, 0x80, 0x80, 0x80, 0x80, 0x10, 0x1A, 1, 65])) == nil
        )
    }
}
