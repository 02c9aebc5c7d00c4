// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import BerthWire
import CAgent
import Glibc

@testable import AgentCore

/// Input from the server, on a real socket. The script decides what is sent, and what the programs do; they do not
/// really run (`StandIn`).
///
/// The rules: the server would accept everything that the agent sends; each call is answered exactly once; no execution
/// has more outstanding output than its window; each has an end after its program has ended; and the agent goes on.
final class ToAgentTarget {
    private static let places = AgentServer.maxExecutions

    private let agent: StandIn
    private let socket: Descriptor
    /// The agent's end of the socket, which the agent closes.
    private let agentEnd: Int32
    private var script: ByteScript
    private var server = HostileServer()
    private var view = ServerView()
    private var broken: String?
    /// Maximum bytes to send. Repeated frames fill all queues, and then only take time.
    private static let most = 6 << 20
    /// Bytes for which the agent's socket has no room yet.
    private var unsent: ArraySlice<UInt8> = []
    private var sentBytes = 0
    /// Decodes what is sent, to know what the agent should find.
    private var decoder = FrameDecoder()
    private var undecoded: ArraySlice<UInt8> = []
    /// The requests of `Execute`, by stream. The agent says which of them it has begun.
    private var requests: [UInt32: [Agent.ExecuteRequest]] = [:]
    private var events = [epoll_event](repeating: epoll_event(), count: 64)
    private var chunk = [UInt8](repeating: 0, count: 64 << 10)

    static func run(_ input: UnsafeRawBufferPointer) -> String? {
        do throws(Broken) {
            let target = try ToAgentTarget(ByteScript(input))
            while !target.script.isOver { try target.step() }
            try target.finish()
            return nil
        } catch {
            return error.rule
        }
    }

    private init(_ script: ByteScript) throws(Broken) {
        self.script = script
        do throws(SystemError) {
            var ends: [Int32] = [-1, -1]
            let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
            guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw SystemError("socketpair") }
            socket = Descriptor(ends[0])
            agentEnd = ends[1]
            // Little room, so that a server that does not read is soon felt.
            var room: Int32 = 4096
            setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, socklen_t(MemoryLayout<Int32>.size))
            let input = Descriptor(ends[1])
            // As every agent does; and of the others none comes, as nothing is run that could end.
            _ = signal(SIGPIPE, SIG_IGN)
            var none = sigset_t()
            sigemptyset(&none)
            let signals = try Descriptor(signalfd(-1, &none, Int32(SFD_CLOEXEC | SFD_NONBLOCK)), of: "signalfd")
            agent = try StandIn(input: input, output: .copy(of: ends[1], minimum: 3), signals: signals)
        } catch {
            throw Broken(rule: error.words)
        }
        agent.onStart = { [unowned self] in begins($0) }
    }

    private func begins(_ execution: RunningExecution) {
        let id = execution.streamID
        do throws(Broken) {
            guard let request = requests[id]?.first(where: { execution.isAnswer(to: $0) }) else {
                throw Broken(rule: "execution \(execution.number) was begun on stream \(id), where none was asked for")
            }
            view.begins(request, on: id)
        } catch {
            broken = broken ?? error.rule
        }
    }

    // MARK: The script

    private func step() throws(Broken) {
        switch script.choice(of: 24) {
        case 0: agent.started(place())
        case 1: agent.failedToStart(place(), String(repeating: "é", count: Int(min(script.number(), 5000))))
        case 2, 3: agent.write(Int(min(script.number(), 64 << 10)), to: stream(), place())
        case 4: agent.close(stream(), place())
        case 5: agent.read(Int(min(script.number(), 64 << 10)), place())
        case 6: agent.closeInput(place())
        case 7:
            let code = Int32(script.byte())
            agent.exited(code & 1 == 0 ? .exited(code: code) : .signalled(1 + code % 64), kills: kills(), place())
        case 8: agent.gone(isLost: script.flag(), kills: kills(), place())
        case 9: agent.used(script.number(), place())
        case 10: agent.wait(milliseconds: min(script.number(), 1 << 40), place())
        case 11: try listen()
        case 12: try turn()
        case 13: server.dent = Dent(place: Int(script.byte()), value: script.byte())
        default:
            let active = agent.executions.compactMap { $0?.number }
            try send(server.speak(&script, active: active))
        }
        if script.flag() { try turn() }
    }

    /// An index, mostly that of an existing execution.
    private func place() -> Int {
        let choice = Int(script.byte())
        let active = agent.executions.indices.filter { agent.executions[$0] != nil }
        return choice < 250 && !active.isEmpty ? active[choice % active.count] : choice % ToAgentTarget.places
    }
    private func stream() -> BerthSchema.OutputStream { script.flag() ? .stdout : .stderr }
    private func kills() -> UInt64 { script.byte() < 224 ? 0 : 1 }

    // MARK: The wire

    private func send(_ bytes: [UInt8]) throws(Broken) {
        guard sentBytes + bytes.count <= ToAgentTarget.most else { return }
        sentBytes += bytes.count
        undecoded += bytes
        while true {
            let step = undecoded.withUnsafeBytes { decoder.next($0) }
            switch step {
            case .needMore:
                unsent += bytes
                return sendUnsent()
            case .frame(let header, let data):
                expect(header, Array(undecoded.dropFirst(data.lowerBound).prefix(data.count)))
                undecoded = undecoded.dropFirst(data.upperBound)
            case .oversized(let header, let count):
                view.owes(header.streamID)
                undecoded = undecoded.dropFirst(count)
            case .skip(let count): undecoded = undecoded.dropFirst(count)
            }
        }
    }

    private func expect(_ header: FrameHeader, _ data: [UInt8]) {
        let id = header.streamID
        switch header.type {
        case .request:
            view.owes(id)
            if let request = try? Request(decoding: data), request.method == "Execute",
                let execute = try? Agent.ExecuteRequest(decoding: request.payload)
            {
                requests[id, default: []].append(execute)
            }
        case _ where id % 2 == 0: view.owes(id)
        // Whether there is an execution by then is the agent's to know.
        case .data: view.mayOwe(id)
        default: break
        }
    }

    private func sendUnsent() {
        while !unsent.isEmpty {
            let count = unsent.withUnsafeBytes {
                Glibc.send(socket.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
            }
            guard count > 0 else { return }
            unsent = unsent.dropFirst(count)
        }
    }

    private func turn() throws(Broken) {
        sendUnsent()
        try require(agent.turn(&events, timeout: 0) == nil, "the agent has ended")
        for case let execution? in agent.executions {
            let (outstanding, window) = (execution.machine.outstanding, execution.machine.limits.window)
            try require(outstanding <= window, "\(outstanding) bytes are outstanding, the window is \(window)")
        }
        if let broken { throw Broken(rule: broken) }
    }

    /// Reads what the agent has sent.
    private func listen() throws(Broken) {
        while true {
            let count = recv(socket.raw, &chunk, chunk.count, Int32(MSG_DONTWAIT))
            guard count > 0 else { return }
            try view.receive(chunk[..<count])
        }
    }

    // MARK: The end

    /// Ends all programs, and takes the remaining output.
    private func finish() throws(Broken) {
        // Again and again: what was sent last may have begun something after it.
        try settle {
            for place in 0..<ToAgentTarget.places {
                agent.exited(.exited(code: 0), kills: 0, place)
                agent.gone(isLost: false, kills: 0, place)
                agent.close(.stdout, place)
                agent.close(.stderr, place)
            }
            return agent.executions.allSatisfy { $0 == nil } && agent.sendBuffer.isEmpty
        }
        try view.checkEnd()
        if undecoded.isEmpty, decoder.isBetweenFrames {
            sentBytes = 0
            let ping = Request(service: AgentService.name, method: "Ping").encoded()
            try send(frame(.request, id: .max, ping))
            try settle { agent.sendBuffer.isEmpty }
            try view.checkEnd()
        }
        shutdown(socket.raw, Int32(SHUT_WR))
        try require(agent.turn(&events, timeout: 0) == 0, "the agent has not ended with its stream")
    }

    /// Runs turns until a condition holds. Each turn moves at least 4 KiB, of a few MiB at most. If the windows are so
    /// small that this would take too long, the server reads no more, and ends the executions.
    private func settle(_ holds: () -> Bool) throws(Broken) {
        var quiet = 0
        for turns in 0..<5000 {
            if turns == 2000 { for place in 0..<ToAgentTarget.places { agent.cancel(place) } }
            for case let execution? in agent.executions where turns < 2000 {
                _ = execution.machine.acknowledge(execution.machine.outstanding, now: monotonicNow())
            }
            try turn()
            try listen()
            // Twice: what the agent has read and had no room to answer is not seen.
            let isRead = unsent.isEmpty && SplicedTail.available(in: agentEnd) == 0
            quiet = isRead && holds() ? quiet + 1 : 0
            if quiet == 2 { return }
        }
        throw Broken(rule: "something is never done: \(agent.executions.compactMap { $0?.machine })")
    }
}

extension RunningExecution {
    /// Whether it can be the answer to a request. If there were several on one stream, and some were refused, any equal
    /// one counts.
    fileprivate func isAnswer(to request: Agent.ExecuteRequest) -> Bool {
        let (asked, own) = (ExecutionStateMachine.Limits(request), machine.limits)
        return request.execution == number && asked.window == own.window && asked.maxOutput == own.maxOutput
            && asked.killsAtMaxOutput == own.killsAtMaxOutput && asked.timeout == own.timeout
            && asked.idle == own.idle && asked.cpuTime == own.cpuTime
    }
}
