// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema
internal import BerthWire
internal import CAgent
internal import Glibc

/// Connections into the container. The server treats them as executions, but they have neither a program nor pipes, and
/// separate places.
extension AgentServer {
    /// Maximum number at a time. The send buffer has room for the ends of all of them.
    static let maxConnections = 256
    /// Maximum number of connectors at a time: each is a process of the container for a moment, and other connections wait.
    private static let maxConnectors = 32
    /// Maximum bytes of input, and of calls, that wait in all connections together; a connection without a waiting call may
    /// always have one.
    private static let maxWaitingInput = 1 << 20
    private static let maxWaitingCalls = 128

    /// The source of an event, which its token has beside the connection's place.
    enum ConnectionSource: UInt64 {
        case connector, socket
    }

    func connect(_ request: Agent.ExecuteRequest, to endpoint: Agent.Endpoint, _ streamID: UInt32) throws(CallError) {
        guard endpoint.path.first == UInt8(ascii: "/") || (endpoint.path.isEmpty && endpoint.port > 0) else {
            throw CallError(.invalidArgument, "an endpoint without an absolute path or a port")
        }
        guard endpoint.port <= UInt16.max, endpoint.path.count < Int(PATH_MAX), !endpoint.path.contains(0) else {
            throw CallError(.invalidArgument, "an endpoint that is none")
        }
        guard connectionCount < AgentServer.maxConnections else {
            throw CallError(.resourceExhausted, "\(connectionCount) connections are open", .connectionLimit)
        }
        let now = monotonicNow()
        let connection = RunningConnection(request, to: endpoint, streamID: streamID, now: now)
        let place = connections.firstIndex { $0 == nil } ?? connections.count
        if place == connections.count { connections.append(nil) }
        if case .success(let baseline) = baseline { baseline.beforeProgram() }
        connections[place] = connection
        connectionCount += 1
        startConnectors()
    }

    /// Starts connectors for the connections that wait for one, in the order of their places, as long as there may be more.
    func startConnectors() {
        guard connectionCount > 0, connectors.count < AgentServer.maxConnectors else { return }
        for place in connections.indices where place < connections.count {
            guard let connection = connections[place], connection.isWaiting else { continue }
            guard connectors.count < AgentServer.maxConnectors, startConnector(connection, at: place) else { return }
        }
    }

    /// - Returns: false if the connection has to wait for the end of another connector.
    private func startConnector(_ connection: RunningConnection, at place: Int) -> Bool {
        do throws(SystemError) {
            let raw = try connection.start(oomScore: oomScore)
            // It is reaped, and spared, like a supervisor.
            supervisors.insert(connection.connectorPID)
            connectors.insert(connection.connectorPID)
            try epoll.add(raw, EPOLLIN, token: Token.of(connection: place, .connector))
        } catch {
            // The processes of the container are used up, by other connectors too, which end soon.
            if error.number == EAGAIN, connection.isWaiting, !connectors.isEmpty { return false }
            end(
                connection, at: place,
                Agent.Ended(cause: .startFailed, message: error.words, startFailure: .noResources))
        }
        return true
    }

    /// The connection with this number; nil if there is none.
    func connection(of number: UInt64) -> (RunningConnection, Int)? {
        guard connectionCount > 0 else { return nil }
        for (place, connection) in connections.enumerated() {
            if let connection, connection.number == number { return (connection, place) }
        }
        return nil
    }

    // MARK: Events

    /// - Parameter token: the token of the event, from `Token.connections` on.
    func connectionChanged(_ token: UInt64) {
        let place = Int((token - Token.connections) >> 1)
        guard place < connections.count, let connection = connections[place] else { return }
        if token & 1 == ConnectionSource.connector.rawValue {
            let outcome = connection.takeSocket(now: monotonicNow()) { raw throws(SystemError) in
                let all = EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue
                try epoll.add(raw, EPOLL_EVENTS(rawValue: all), token: Token.of(connection: place, .socket))
            }
            perform(outcome, connection, at: place)
        } else {
            connection.becameReadable()
        }
        feed(connection, at: place)
    }

    var hasMoreOfConnections: Bool {
        connectionCount > 0 && sendBuffer.canTakeOutput && connections.contains { $0?.wantsToRead ?? false }
    }

    /// Moves output from the sockets to the server, one chunk of each in turn.
    func pumpConnections() {
        guard connectionCount > 0 else { return }
        for _ in 0..<16 {
            var moved = false
            for place in connections.indices {
                guard place < connections.count, let connection = connections[place], connection.wantsToRead else {
                    continue
                }
                if !sendBuffer.canTakeOutput { sendBuffer.flush() }
                guard sendBuffer.canTakeOutput else { return }
                perform(connection.pump(into: sendBuffer, now: monotonicNow()), connection, at: place)
                moved = true
            }
            guard moved else { return }
        }
    }

    private func perform(_ outcome: RunningConnection.Outcome, _ connection: RunningConnection, at place: Int) {
        switch outcome {
        case .goesOn: break
        case .started:
            sendBuffer.append(
                Agent.ExecuteEvent.started(Agent.Started()), type: .data, streamID: connection.streamID)
        case .outputEnded:
            sendBuffer.append(
                Agent.ExecuteEvent.outputEnded(Agent.OutputEnded()), type: .data, streamID: connection.streamID)
        case .ended(let ended): end(connection, at: place, ended)
        }
    }

    private func end(_ connection: RunningConnection, at place: Int, _ ended: Agent.Ended) {
        guard connections[place] === connection else { return }
        connections[place] = nil
        connectionCount -= 1
        while let last = connections.last, last == nil { connections.removeLast() }
        let error = CallError(.failedPrecondition, "the connection has ended")
        for call in connection.queue.close() { refuse(call.streamID, error) }
        if connection.isConnecting, supervisors.contains(connection.connectorPID) {
            kill(connection.connectorPID, SIGKILL)
        }
        sendBuffer.append(Agent.ExecuteEvent.ended(ended), type: .data, streamID: connection.streamID)
        sendBuffer.append(Empty(), type: .data, flags: [.remoteClosed, .noData], streamID: connection.streamID)
    }

    // MARK: Calls

    func input(
        _ request: Agent.InputRequest, _ streamID: UInt32, to connection: RunningConnection, at place: Int
    ) throws(CallError) {
        var waiting = (bytes: request.data.count, calls: 1)
        for case let other? in connections {
            waiting.bytes += other.queue.waiting
            waiting.calls += other.queue.waitingCalls
        }
        let hasRoom =
            waiting.bytes <= AgentServer.maxWaitingInput && waiting.calls <= AgentServer.maxWaitingCalls
        guard connection.queue.waitingCalls == 0 || hasRoom else {
            throw CallError(.resourceExhausted, "too much input waits to be taken")
        }
        do throws(InputQueue.Refusal) {
            try connection.queue.add(
                request.data, at: request.offset, isEnd: request.isEnd, streamID: streamID)
        } catch {
            throw CallError(error)
        }
        feed(connection, at: place)
    }

    private func feed(_ connection: RunningConnection, at place: Int) {
        let (answers, outcome) = connection.feed(now: monotonicNow())
        for call in answers.taken { respond(call.streamID, Agent.InputResponse(offset: call.end)) }
        for call in answers.refused {
            refuse(call.streamID, CallError(.failedPrecondition, "the other side takes no more"))
        }
        perform(outcome, connection, at: place)
    }

    func acknowledge(_ bytes: UInt64, of connection: RunningConnection) throws(CallError) {
        guard connection.acknowledge(bytes, now: monotonicNow()) else {
            throw CallError(.invalidArgument, "\(bytes) bytes acknowledged, more than are outstanding")
        }
    }

    func cancel(_ connection: RunningConnection, at place: Int, _ words: String = "") {
        end(connection, at: place, connection.cancelled(words))
    }

    // MARK: Time

    var connectionDeadline: UInt64? {
        guard connectionCount > 0 else { return nil }
        return connections.lazy.compactMap { $0?.deadline }.min()
    }

    func passTimeOfConnections() {
        guard let first = connectionDeadline else { return }
        let now = monotonicNow()
        guard first <= now else { return }
        for place in connections.indices.reversed() where place < connections.count {
            guard let connection = connections[place] else { continue }
            perform(connection.timePassed(now: now), connection, at: place)
        }
    }

    func endConnections() {
        for place in connections.indices.reversed() where place < connections.count {
            guard let connection = connections[place] else { continue }
            cancel(connection, at: place, "the container is being reset")
        }
    }
}
