// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import Glibc
internal import BerthSchema
internal import BerthWire

/// Contexts: interpreters that run pieces of code. A piece is an execution with its own place, but with the processes and
/// pipes of the interpreter.
extension AgentServer {
    func startPiece(_ request: Agent.ExecuteRequest, _ streamID: UInt32, at place: Int) throws(CallError) {
        let host = executions.lazy.compactMap { $0 }.first { $0.number == request.context }
        guard let host, let context = host.context, context.state != .lost, host.machine.phase == .running else {
            // The context ended while this request was under way.
            let piece = RunningExecution(request, streamID: streamID, processors: processors)
            piece.machine.isContextLost = true
            executions[place] = piece
            return perform(piece.machine.contextIsGone(), on: piece, at: place)
        }
        guard case .idle = context.state else {
            throw CallError(.failedPrecondition, "a piece of code runs in this context", .contextBusy)
        }
        let piece = RunningExecution(request, streamID: streamID, processors: processors)
        do throws(SystemError) {
            try piece.join(host, outOfMemory: outOfMemory, epoll: epoll) { Token.of(place, $0) }
        } catch {
            throw CallError(.resourceExhausted, error.words, .executionLimit)
        }
        executions[place] = piece
        let now = monotonicNow()
        piece.machine.willStart(now: now)
        perform(piece.machine.started(pid: host.pid, now: now), on: piece, at: place)
        context.begin(request, at: place)
        feed(piece, at: place)
    }

    /// The piece that an interpreter is running.
    func piece(of host: RunningExecution) -> (execution: RunningExecution, place: Int)? {
        guard let place = host.context?.piece, let piece = executions[place] else { return nil }
        return (piece, place)
    }

    // MARK: Messages of interpreters

    /// Whether `listen` can take more now.
    var hasMoreControl: Bool {
        contextCount > 0
            && executions.contains { host in
                guard let host, let context = host.context, context.state != .lost else { return false }
                guard context.reader.eventLeft > 0 else { return context.isReadable }
                return canPassEvent(of: context, host) && (context.isReadable || context.reader.hasBytes)
            }
    }

    private func canPassEvent(of context: Context, _ host: RunningExecution) -> Bool {
        guard let piece = piece(of: host)?.execution else { return true }
        return context.ahead == (0, 0) && sendBuffer.canTakeOutput && piece.machine.eventIntake > 0
    }

    /// Handles messages of interpreters, as long as there is room to send their events to the server.
    /// - Returns: whether there were any.
    func listen() -> Bool {
        guard contextCount > 0 else { return false }
        var isDone = false
        for place in executions.indices {
            guard let host = executions[place], let context = host.context else { continue }
            var rounds = 0
            while rounds < 16, listen(to: context, of: host, at: place) { rounds += 1 }
            if rounds > 0 { isDone = true }
        }
        return isDone
    }

    /// - Returns: whether something was done.
    private func listen(to context: Context, of host: RunningExecution, at place: Int) -> Bool {
        guard context.state != .lost else { return false }
        if context.reader.eventLeft > 0 { return passEvent(of: context, host) }
        switch context.reader.next() {
        case .needMore:
            return context.fill()
        case .invalid(let words):
            lose(host, "it sent \(words) on its control")
            return false
        case .event:
            let piece = piece(of: host)?.execution
            context.beginEvent(
                stdout: piece?.bytesIn(.stdout, sendBuffer) ?? 0, stderr: piece?.bytesIn(.stderr, sendBuffer) ?? 0)
            return true
        case .word(let kind, let text):
            take(kind, text, from: host, at: place)
            return true
        }
    }

    /// Sends a part of an event after all output that was written before it. Without a running piece, the event is
    /// discarded.
    private func passEvent(of context: Context, _ host: RunningExecution) -> Bool {
        if !sendBuffer.canTakeOutput { sendBuffer.flush() }
        guard canPassEvent(of: context, host) else { return false }
        let piece = piece(of: host)
        let most = piece?.execution.machine.eventIntake ?? SendBuffer.maxChunk
        var bytes = context.reader.takeEvent(most)
        if bytes.isEmpty {
            guard context.fill() else { return false }
            bytes = context.reader.takeEvent(most)
        }
        if let piece, !bytes.isEmpty {
            let output = Agent.Output(
                stream: OutputStream.events.rawValue, offset: piece.execution.machine.eventBytes, data: bytes)
            sendBuffer.append(
                Agent.ExecuteEvent.output(output), type: .data, streamID: piece.execution.streamID)
            piece.execution.machine.didSendEvent(bytes.count, now: monotonicNow())
        }
        if context.reader.eventLeft == 0 { context.acknowledgeEvent() }
        return true
    }

    private func take(_ kind: ContextControl.Kind, _ text: [UInt8], from host: RunningExecution, at place: Int) {
        guard let context = host.context else { return }
        switch kind {
        case .ready where host.isUnborn: copyIsReady(host, text)
        case .ready where context.state == .starting:
            context.version = String(decoding: text.prefix(64), as: UTF8.self)
            context.isInterpreterReady = true
            tellReady(host)
        case .go where context.state == .copying: sendEnds(context, of: host)
        case .go: context.sendCode()
        case .copied: copied(text, from: host, at: place)
        case .ended:
            guard let end = PieceEnd(text) else { return lose(host, "it sent nonsense as the end of a piece") }
            // It belongs to an earlier piece, which had ended already.
            guard let (piece, place) = piece(of: host), piece.number == end.number else { return }
            self.end(piece, at: place, as: .exited(code: end.code), end.usage)
        default: break
        }
    }

    /// Tells the server that a context can be used. The interpreter may be ready before its supervisor has reported its start.
    func tellReady(_ host: RunningExecution) {
        guard let context = host.context, context.state == .starting, context.isInterpreterReady,
            host.machine.phase == .running
        else { return }
        context.state = .idle
        sendBuffer.append(
            Agent.ExecuteEvent.started(
                Agent.Started(pid: host.pid, interpreter: context.version, isWarm: host.isWarm)), type: .data,
            streamID: host.streamID)
    }

    /// Handles the end of a piece, or of its interpreter.
    private func end(
        _ piece: RunningExecution, at place: Int, as status: WaitStatus, _ usage: Usage
    ) {
        let now = monotonicNow()
        var usage = usage
        usage.wallMicroseconds = piece.machine.time(until: now) / 1000
        let kills = piece.outOfMemoryKills(outOfMemory)
        perform(
            piece.machine.exited(status, usage, outOfMemoryKills: kills, hasLeft: false, now: now), on: piece, at: place
        )
        perform(piece.machine.gone(usage, outOfMemoryKills: kills), on: piece, at: place)
    }

    // MARK: End

    /// Kills an interpreter that violates the protocol, or can't be reached.
    func lose(_ host: RunningExecution, _ words: String) {
        guard let context = host.context, context.state != .lost else { return }
        context.isKilled()
        context.lossWords = context.lossWords ?? words
        if host.isUnborn, let place = executions.firstIndex(where: { $0 === host }) {
            let failed = host.machine.startFailed(.noResources, "the copy ended before it took any code: \(words)")
            return perform(failed, on: host, at: place)
        }
        host.kill(strays(of: host))
        // Its messages do not matter any more, except for a piece whose end has not been reported.
        context.isReadable = false
    }

    /// Handles the end of an interpreter: everything that it started is killed.
    func interpreterEnded(_ host: RunningExecution, _ status: WaitStatus, _ usage: Usage) {
        guard let context = host.context else { return }
        if let (piece, place) = piece(of: host) {
            piece.machine.isContextLost = true
            if piece.machine.cause == nil { piece.machine.lossWords = context.wordsForLoss(status) }
            context.state = .lost
            end(piece, at: place, as: status, usage)
        }
        if let words = context.wordsForLoss(status) { host.machine.lossWords = words }
        context.state = .lost
        failCopies(of: context)
    }
}

/// The message of an interpreter at the end of a piece.
struct PieceEnd {
    let number: UInt64
    let code: Int32
    var usage = Usage()

    init?(_ text: [UInt8]) {
        let numbers = text.split(separator: UInt8(ascii: " ")).map { UInt64(String(decoding: $0, as: UTF8.self)) }
        guard (2...4).contains(numbers.count), let number = numbers[0], let code = numbers[1], code < 256 else {
            return nil
        }
        self.number = number
        self.code = Int32(code)
        if numbers.count == 4, let user = numbers[2], let system = numbers[3] {
            usage.userMicroseconds = user
            usage.systemMicroseconds = system
        }
    }
}
