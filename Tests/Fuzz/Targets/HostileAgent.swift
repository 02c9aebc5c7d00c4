// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import BerthWire

/// The other end of a server's connection, like a program that has taken over the agent: it gets all calls, and sends
/// what the script decides.
struct HostileAgent {
    private struct Call {
        let id: UInt32
        let method: String
        /// Bytes of each stream that it claims to have sent.
        var sent: [UInt64] = [0, 0]
    }

    /// Damages the next frame.
    var dent: Dent?
    /// Whether its frames are held back, so that they arrive together.
    var delays = false
    private var decoder = FrameDecoder()
    private var unread: [UInt8] = []
    private var calls: [Call] = []
    private var words: [UInt8] = []

    /// Takes what the server sends.
    mutating func receive(_ bytes: [UInt8]) {
        unread += bytes
        while true {
            switch unread.withUnsafeBytes({ decoder.next($0) }) {
            case .needMore: return
            case .frame(let header, let data):
                // The server is not what is fuzzed here: it sends requests and nothing else.
                if let request = try? Request(decoding: Array(unread[data])) {
                    calls.append(Call(id: header.streamID, method: request.method))
                }
                unread.removeFirst(data.upperBound)
            case .oversized(_, let count), .skip(let count): unread.removeFirst(count)
            }
        }
    }

    mutating func takeWords() -> [UInt8] {
        guard !delays else { return [] }
        defer { words = [] }
        return words
    }

    mutating func speak(_ script: inout ByteScript) {
        // Enough for each queue to be full, and not for hours of it.
        guard words.count < 2 << 20 else { return }
        switch script.choice(of: 12) {
        case 0: event(.started(Agent.Started(pid: UInt32(script.byte()))), &script)
        case 1, 2: output(&script, isPlain: true)
        case 3: output(&script, isPlain: false)
        case 4: end(&script)
        case 5: say(.data, [.remoteClosed, .noData], [], &script)
        case 6: say(.data, [.remoteClosed], script.take(Int(script.byte())), &script)
        case 7: say(.response, [], answer(&script), &script)
        case 8: say(.response, [], Response(status: status(&script)).encoded(), &script)
        case 9:
            let (type, flags) = (FrameType(rawValue: script.byte()), FrameFlags(rawValue: script.byte()))
            say(type, flags, script.take(Int(script.byte() % 64)), &script)
        case 10: repeatLast(script.number())
        default: words += script.take(Int(script.byte() % 64))
        }
    }

    /// One of the streams that the server has opened at any time, or now and then another one.
    private mutating func stream(_ script: inout ByteScript) -> (id: UInt32, index: Int?) {
        let choice = Int(script.byte())
        guard choice < 250, !calls.isEmpty else { return (UInt32(truncatingIfNeeded: script.number()), nil) }
        // From the latest on: so the same bytes go on to mean the call that has just begun.
        let index = calls.count - 1 - choice % calls.count
        return (calls[index].id, index)
    }

    private mutating func say(_ type: FrameType, _ flags: FrameFlags, _ data: [UInt8], _ script: inout ByteScript) {
        say(type, flags, data, id: stream(&script).id)
    }

    private var last: [UInt8] = []

    private mutating func say(_ type: FrameType, _ flags: FrameFlags, _ data: [UInt8], id: UInt32) {
        last = frame(type, flags, id: id, data, dent: dent)
        dent = nil
        words += last
    }

    private mutating func repeatLast(_ count: UInt64) {
        for _ in 0..<min(count, 16) { words += last }
    }

    private mutating func event(_ event: Agent.ExecuteEvent, _ script: inout ByteScript) {
        say(.data, [], event.encoded(), &script)
    }

    /// Sends output of any size, up to more than is allowed, at the right offset. If it is not plain, it may be at any
    /// offset, and encoded as no real agent would do.
    private mutating func output(_ script: inout ByteScript, isPlain: Bool) {
        let (id, index) = stream(&script)
        let kind = script.byte()
        let count = Int(min(script.number(), 40 << 10))
        let number = isPlain ? Int(kind & 1) : Int(script.byte() % 4)
        var offset = index.map { number < 2 ? calls[$0].sent[number] : 0 } ?? 0
        if !isPlain { offset &+= script.number() }
        let data = [UInt8](repeating: kind, count: count)
        if let index, number < 2 { calls[index].sent[number] &+= UInt64(count) }
        let output = Agent.Output(stream: UInt32(number), offset: offset, data: data)
        var encoded = Agent.ExecuteEvent.output(output).encoded()
        if !isPlain {
            // An unknown field, or a second event that protobuf takes in place of the first, or in addition to it.
            switch kind >> 4 {
            case 0: encoded += [0x7A, 1, 0]
            case 1: encoded += Agent.ExecuteEvent.started(Agent.Started(pid: 1)).encoded()
            case 2: encoded += encoded
            case 3: encoded = Agent.ExecuteEvent.started(Agent.Started(pid: 1)).encoded() + encoded
            case 4: encoded += [0x12, 2, 0x08, script.byte() & 0x7F]
            case 5: encoded += script.take(8)
            default: break
            }
        }
        say(.data, [], encoded, id: id)
    }

    /// Sends the right end, with the changes of the script.
    private mutating func end(_ script: inout ByteScript) {
        let (id, index) = stream(&script)
        let sent = index.map { calls[$0].sent } ?? [0, 0]
        var ended = Agent.Ended(
            cause: EndCause(rawValue: UInt32(script.byte() % 14)) ?? .exited, stdoutBytes: sent[0], stderrBytes: sent[1]
        )
        let changes = script.byte()
        if changes & 1 != 0 { ended.exitCode = Int32(truncatingIfNeeded: script.number()) }
        if changes & 2 != 0 { ended.signal = Int32(truncatingIfNeeded: script.number()) }
        if changes & 4 != 0 { ended.outOfMemoryKills = script.number() }
        if changes & 8 != 0 { ended.stdoutBytes &+= script.number() }
        if changes & 16 != 0 { ended.stdoutTruncated = script.number() }
        if changes & 32 != 0 { ended.stderrTruncated = script.number() }
        if changes & 64 != 0 { ended.message = String(repeating: "é", count: Int(min(script.number(), 5000))) }
        if changes & 128 != 0 { ended.startFailure = .programNotFound }
        say(.data, [], Agent.ExecuteEvent.ended(ended).encoded(), id: id)
    }

    private mutating func answer(_ script: inout ByteScript) -> [UInt8] {
        let payload =
            switch script.choice(of: 4) {
            case 0: Agent.InputResponse(offset: script.number()).encoded()
            case 1: Agent.PingResponse(version: "1", pid: 1, env: ["A=1"]).encoded()
            case 2: script.take(Int(script.byte() % 32))
            default: [UInt8]()
            }
        return Response(payload: payload).encoded()
    }

    private mutating func status(_ script: inout ByteScript) -> Status {
        Status(code: Int32(truncatingIfNeeded: script.number()), message: "no")
    }
}
