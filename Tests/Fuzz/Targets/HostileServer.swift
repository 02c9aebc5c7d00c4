// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import BerthWire

/// Sends what the script decides as the server of an agent: mostly valid frames, damaged now and then.
struct HostileServer {
    /// Damages the next frame.
    var dent: Dent?
    private var nextID: UInt32 = 1
    private var last: [UInt8] = []
    private var offsets: [UInt64: UInt64] = [:]
    /// Whether an oversized frame was sent. One is enough, since it is large.
    private var hasSentOversized = false

    /// - Parameter active: the present executions.
    /// - Returns: the bytes to send.
    mutating func speak(_ script: inout ByteScript, active: [UInt64]) -> [UInt8] {
        let number: UInt64
        switch script.byte() {
        case let choice where choice < 240 && !active.isEmpty: number = active[Int(choice) % active.count]
        default: number = script.number()
        }
        switch script.choice(of: 14) {
        case 0, 1: return execute(&script)
        case 2, 3:
            return call("Acknowledge", Agent.AcknowledgeRequest(execution: number, bytes: script.number()), &script)
        case 4:
            let signal = Int32(truncatingIfNeeded: script.number())
            let message = Agent.SignalRequest(execution: number, signal: signal, graceMilliseconds: script.number())
            return call("Signal", message, &script)
        case 5, 6: return input(number, &script)
        case 7:
            let size = Agent.Terminal(rows: UInt32(script.byte()), columns: .max)
            return call("Resize", Agent.ResizeRequest(execution: number, terminal: size), &script)
        case 8: return call("Ping", Agent.PingRequest(), &script)
        case 9: return call("Reset", Agent.ResetRequest(timeoutMilliseconds: script.number()), &script)
        case 10:
            let method = ["Ping", "Execute", "Input", "Signal", "Acknowledge", "Reset", "Nothing"]
            let payload = script.take(Int(script.byte() % 64))
            return request(method[script.choice(of: method.count)], payload, &script)
        case 11:
            let (type, flags) = (FrameType(rawValue: script.byte()), FrameFlags(rawValue: script.byte()))
            return say(type, flags, script.take(Int(script.byte() % 32)), &script)
        case 12:
            guard !script.flag(), !hasSentOversized else { return last }
            hasSentOversized = true
            defer { last = [] }
            // Not of zeros: where a dent cuts it short, they would be half a million frames.
            return say(.request, [], [UInt8](repeating: 0xFF, count: 4 << 20 | 1), &script)
        default: return script.take(Int(script.byte() % 64))
        }
    }

    private mutating func execute(_ script: inout ByteScript) -> [UInt8] {
        var request = Agent.ExecuteRequest(execution: UInt64(script.byte() % 80), argv: ["true"])
        let wishes = script.byte()
        request.windowBytes = wishes & 1 != 0 ? script.number() : 256 << 10
        request.keepsStdinOpen = wishes & 2 != 0
        request.keepsBackground = wishes & 4 != 0
        if wishes & 8 != 0 { request.terminal = Agent.Terminal(rows: 1, columns: 2) }
        if wishes & 16 != 0 {
            request.maxOutputBytes = script.number()
            request.killsAtMaxOutput = script.flag()
        }
        if wishes & 32 != 0 {
            request.timeoutMilliseconds = script.number()
            request.graceMilliseconds = script.number()
        }
        if wishes & 64 != 0 {
            request.idleTimeoutMilliseconds = script.number()
            request.cpuTimeMilliseconds = script.number()
        }
        if wishes & 128 != 0 { request.stdin = [UInt8](repeating: 1, count: Int(min(script.number(), 300 << 10))) }
        offsets[request.execution] = UInt64(request.stdin.count)
        return call("Execute", request, &script)
    }

    /// Sends input at the right offset or at another one.
    private mutating func input(_ number: UInt64, _ script: inout ByteScript) -> [UInt8] {
        let how = script.byte()
        let data = [UInt8](repeating: how, count: Int(min(script.number(), 300 << 10)))
        var offset = offsets[number] ?? 0
        if how & 1 != 0 { offset &+= script.number() }
        if how & 2 != 0 { offset &-= script.number() }
        if how & 3 == 0 { offsets[number] = offset + UInt64(data.count) }
        let message = Agent.InputRequest(execution: number, offset: offset, data: data, isEnd: how & 4 != 0)
        return call("Input", message, &script)
    }

    private mutating func call(_ method: String, _ message: some Message, _ script: inout ByteScript) -> [UInt8] {
        request(method, message.encoded(), &script)
    }

    private mutating func request(_ method: String, _ payload: [UInt8], _ script: inout ByteScript) -> [UInt8] {
        say(.request, [], Request(service: AgentService.name, method: method, payload: payload).encoded(), &script)
    }

    private mutating func say(
        _ type: FrameType, _ flags: FrameFlags, _ data: [UInt8], _ script: inout ByteScript
    ) -> [UInt8] {
        var id = nextID
        switch script.byte() {
        case 0..<224: nextID &+= 2
        // One that was used before, and may be active.
        case let choice where choice < 250: id = nextID &- 2 * UInt32(choice - 223)
        default: id = UInt32(truncatingIfNeeded: script.number())
        }
        last = frame(type, flags, id: id, data, dent: dent)
        dent = nil
        return last
    }
}
