// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthRPC
import BerthSchema
import BerthWire
import NIOCore
import NIOEmbedded
import Pool
import Synchronization

@testable import AgentLink

/// Input from an agent: a whole `AgentConnection` on a channel without a socket. The script decides what the server
/// does, and what its agent sends, which a program has taken over: mostly valid frames, damaged now and then.
///
/// The rules: each execution keeps its promises to those who get its events, and has exactly one end; each call is
/// answered exactly once; an agent that breaks the protocol is disconnected; another connection of the same event loop
/// goes on.
final class FromAgentTarget {
    private let loop = EmbeddedEventLoop()
    private let channel: EmbeddedChannel
    private let connection: AgentConnection
    private var script: ByteScript
    private var agent = HostileAgent()
    private var executions: [WatchedExecution] = []
    private var calls: [WatchedCall] = []
    /// How many bytes arrive together; 0: all that were sent.
    private var piece = 0

    static func run(_ input: UnsafeRawBufferPointer) -> String? {
        do throws(Broken) {
            let target = try FromAgentTarget(ByteScript(input))
            while !target.script.isOver { try target.step() }
            try target.finish()
            return nil
        } catch {
            return error.rule
        }
    }

    private init(_ script: ByteScript) throws(Broken) {
        self.script = script
        (channel, connection) = try FromAgentTarget.connect(loop)
    }

    private static func connect(_ loop: EmbeddedEventLoop) throws(Broken) -> (EmbeddedChannel, AgentConnection) {
        let channel = EmbeddedChannel(loop: loop)
        guard let address = try? SocketAddress(unixDomainSocketPath: "/agent") else { throw Broken(rule: "no address") }
        channel.connect(to: address, promise: nil)
        let rpc = Mutex<ClientConnection?>(nil)
        ClientConnection.adopt(channel).whenSuccess { adopted in rpc.withLock { $0 = adopted } }
        guard let rpc = rpc.withLock({ $0 }) else { throw Broken(rule: "a channel was not adopted") }
        return (channel, AgentConnection(member: MemberID("fuzzed"), rpc: rpc, imageEnvironment: []))
    }

    // MARK: The script

    private func step() throws(Broken) {
        switch script.choice(of: 16) {
        case 0: execute()
        case 1: watched?.acknowledge(script.number())
        case 2: input()
        case 3: resize()
        case 4: watched?.execution?.signal(Int32(truncatingIfNeeded: script.number()))
        case 5: watched?.execution?.end(graceMilliseconds: script.number())
        case 6: ping()
        case 7: loop.advanceTime(by: .milliseconds(Int64(script.byte()) << 8))
        case 8: piece = Int(script.byte())
        case 9: agent.dent = Dent(place: Int(script.byte()), value: script.byte())
        case 10: agent.delays.toggle()
        default: agent.speak(&script)
        }
        try exchange()
    }

    private var watched: WatchedExecution? {
        executions.isEmpty ? nil : executions[script.choice(of: executions.count)]
    }

    private func execute() {
        // As many as one connection has at most.
        guard executions.count < 64 else { return }
        var request = Agent.ExecuteRequest(execution: 0, argv: ["true"])
        let wishes = script.byte()
        if wishes & 1 != 0 { request.timeoutMilliseconds = script.number() >> 1 }
        if wishes & 2 != 0 { request.maxOutputBytes = script.number() }
        request.killsAtMaxOutput = wishes & 4 != 0
        request.idleTimeoutMilliseconds = wishes & 8 != 0 ? 1 : 0
        request.cpuTimeMilliseconds = wishes & 16 != 0 ? 1 : 0
        if wishes & 32 != 0 { request.stdin = script.take(3) }
        let watched = WatchedExecution(acknowledges: wishes & 64 != 0)
        executions.append(watched)
        watched.execution = connection.execute(request) { watched.receive($0) }
    }

    private func input() {
        guard calls.count < 256, let execution = watched?.execution else { return }
        let (offset, data, call) = (script.number(), script.take(Int(script.byte() % 8)), WatchedCall())
        calls.append(call)
        execution.input(offset: offset, data: data, isEnd: script.flag()) { answer in
            var broken: String?
            if case .success(let next) = answer, next < offset || next - offset < UInt64(data.count) {
                broken = "\(next) is expected after \(data.count) bytes at \(offset)"
            }
            call.answered(broken)
        }
    }

    private func resize() {
        guard calls.count < 256, let execution = watched?.execution else { return }
        let call = WatchedCall()
        calls.append(call)
        execution.resize(rows: UInt32(script.byte()), columns: 1) { _ in call.answered(nil) }
    }

    private func ping() {
        guard calls.count < 256 else { return }
        let call = WatchedCall()
        calls.append(call)
        let timeout: TimeAmount? = script.flag() ? .milliseconds(Int64(script.byte())) : nil
        connection.rpc.unary(AgentService.ping, Agent.PingRequest(), timeout: timeout) { _ in
            call.answered(nil)
        }
    }

    // MARK: The wire

    /// Passes what the server has sent to the agent, and its answers back.
    private func exchange() throws(Broken) {
        loop.run()
        while let sent = try? channel.readOutbound(as: ByteBuffer.self) { agent.receive(Array(sent.readableBytesView)) }
        let said = agent.takeWords()
        guard !said.isEmpty else { return }
        var rest = ByteBuffer(bytes: said)
        // Each byte by itself, where that is not a million of them.
        let size = piece == 0 ? said.count : max(piece, said.count / 1024)
        while channel.isActive, let piece = rest.readSlice(length: min(size, rest.readableBytes)),
            piece.readableBytes > 0
        {
            _ = try? channel.writeInbound(piece)
        }
        loop.run()
        try checkRules()
    }

    private func checkRules() throws(Broken) {
        for execution in executions { if let broken = execution.broken { throw Broken(rule: broken) } }
        for call in calls { if let broken = call.broken { throw Broken(rule: broken) } }
        if connection.lost().message.contains("broke the protocol") {
            try require(!channel.isActive, "an agent that broke the protocol is still connected")
        }
    }

    /// Ends the agent, and checks that everything that was promised has come.
    private func finish() throws(Broken) {
        agent.delays = false
        try exchange()
        let (otherChannel, other) = try FromAgentTarget.connect(loop)
        let answer = WatchedCall()
        other.rpc.unary(AgentService.ping, Agent.PingRequest()) { result in
            if case .success = result { answer.answered(nil) } else { answer.answered("another connection fails") }
        }
        loop.run()
        _ = try? otherChannel.writeInbound(ByteBuffer(bytes: frame(.response, id: 1, [])))
        try require(answer.answers == 1, "another connection of the event loop has stopped")
        if channel.isActive { channel.close(promise: nil) }
        otherChannel.close(promise: nil)
        loop.run()
        try checkRules()
        for execution in executions { try require(execution.ends == 1, "an execution has \(execution.ends) ends") }
        for call in calls { try require(call.answers == 1, "a call has \(call.answers) answers") }
        try require(connection.openExecutions == 0, "\(connection.openExecutions) executions are still counted")
        // What waits for a time that will not come, as the loop must be left with nothing.
        loop.advanceTime(by: .hours(24 * 365))
        for execution in executions { execution.execution = nil }
    }
}

/// A call whose answers are counted.
final class WatchedCall: Sendable {
    private let state = Mutex<(answers: Int, broken: String?)>((0, nil))

    var answers: Int { state.withLock { $0.answers } }
    var broken: String? { state.withLock { $0.broken } }

    func answered(_ broken: String?) {
        state.withLock { state in
            state.answers += 1
            state.broken = state.broken ?? broken
            if state.answers > 1 { state.broken = "a call was answered \(state.answers) times" }
        }
    }
}
