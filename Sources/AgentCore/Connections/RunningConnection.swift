// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema
internal import CAgent
internal import Glibc

/// A byte stream to something that listens in the container. The server treats it as an execution without a program. When it
/// is connected, the agent holds its socket, and it needs no process.
final class RunningConnection {
    let number: UInt64
    let streamID: UInt32
    private let endpoint: Agent.Endpoint
    private let request: Agent.ExecuteRequest
    private let window: UInt64
    /// The process that connects it; nil after its answer.
    private(set) var connectorPID: pid_t = 0
    private var connector: Connector?
    private var socket: Descriptor?
    var queue: InputQueue
    /// Bytes of output sent to the server, and how many of them are not acknowledged.
    private(set) var sent: UInt64 = 0
    private var outstanding: UInt64 = 0
    private var isReadable = false
    /// Whether the other side sends nothing, or accepts nothing, any more.
    private var isOutputOver = false
    private var isInputOver = false
    /// When its time-out passes, and how long it may be idle.
    private let due: UInt64?
    private let connectDue: UInt64
    private let idle: UInt64?
    private var lastMoved: UInt64

    /// Its state after a read or a write.
    enum Outcome {
        case goesOn
        case started
        /// The other side has ended its direction; the client may still send.
        case outputEnded
        case ended(Agent.Ended)
    }

    init(_ request: Agent.ExecuteRequest, to endpoint: Agent.Endpoint, streamID: UInt32, now: UInt64) {
        number = request.execution
        self.streamID = streamID
        self.endpoint = endpoint
        self.request = request
        window = request.windowBytes
        // Bytes that were acknowledged are in the socket: they arrive even if the connection is closed now, as with every socket.
        queue = InputQueue(first: request.stdin, hasEnd: !request.keepsStdinOpen, ahead: 0)
        let limits = ExecutionStateMachine.Limits(request)
        due = limits.timeout.map { now + $0 }
        idle = limits.idle
        let most = ExecutionStateMachine.Limits.nanoseconds(endpoint.waitMilliseconds)
        connectDue = now + most + ExecutionStateMachine.Limits.nanoseconds(endpoint.patienceMilliseconds)
        lastMoved = now
    }

    // MARK: The start

    /// - Returns: the descriptor on which the answer comes.
    func start(oomScore: String?) throws(SystemError) -> Int32 {
        let connector = try Connector.fork(request, to: endpoint, oomScore: oomScore)
        let raw = connector.raw
        connectorPID = connector.pid
        self.connector = consume connector
        return raw
    }

    /// Takes the socket, if it has arrived.
    /// - Parameter listen: registers the socket for events.
    func takeSocket(now: UInt64, listen: (Int32) throws(SystemError) -> Void) -> Outcome {
        guard let answer = connector?.answer() else { return .goesOn }
        switch consume answer {
        case .none: return .goesOn
        case .failed(let error): return .ended(refusal(error))
        case .wasEnded:
            return .ended(
                Agent.Ended(cause: .startFailed, message: "what connects was ended by another program"))
        case .connected(let socket):
            do throws(SystemError) {
                try listen(socket.raw)
            } catch {
                return .ended(refusal(error.number))
            }
            self.socket = consume socket
            connector = nil
            isReadable = true
            lastMoved = now
            return .started
        }
    }

    private func refusal(_ error: Int32) -> Agent.Ended {
        let reason: ErrorReason? =
            switch error {
            case ENOENT: .noSuchFile
            case ECONNREFUSED, ETIMEDOUT, EAGAIN: .connectionRefused
            case ENOTSOCK: .notASocket
            case EACCES, EPERM: .notPermitted
            case ENOTDIR: .notADirectory
            case ELOOP: .tooManyLinks
            case ENAMETOOLONG: .nameTooLong
            default: nil
            }
        let isShortage = [EMFILE, ENFILE, ENOMEM, ENOBUFS].contains(error)
        var words = String(cString: strerror(error))
        if error == ETIMEDOUT { words = "the listener did not take the connection in time" }
        return Agent.Ended(
            cause: .startFailed, message: words, startFailure: isShortage ? .noResources : .unspecified,
            reason: reason?.rawValue ?? 0)
    }

    /// Whether it is not connected yet.
    var isConnecting: Bool { socket == nil }
    /// Whether it waits for its connector to be started.
    var isWaiting: Bool { connectorPID == 0 }

    // MARK: Output

    func becameReadable() { isReadable = true }

    var wantsToRead: Bool { isReadable && !isOutputOver && outstanding < window }

    /// Reads once into `buffer`, which must have room.
    func pump(into buffer: SendBuffer, now: @autoclosure () -> UInt64) -> Outcome {
        guard let raw = socket?.raw else {
            isReadable = false
            return .goesOn
        }
        let limit = Int(min(UInt64(SendBuffer.maxChunk), window - outstanding))
        let count = buffer.appendOutput(fromSocket: raw, limit: limit, offset: sent, streamID: streamID)
        if count > 0 {
            sent += UInt64(count)
            outstanding += UInt64(count)
            if idle != nil { lastMoved = now() }
            return .goesOn
        }
        switch -Int32(count) {
        case 0:
            isOutputOver = true
            return isInputOver ? .ended(whole) : .outputEnded
        case EAGAIN:
            isReadable = false
            return .goesOn
        case EINTR: return .goesOn
        case ECONNRESET: return .ended(reset)
        case let error: return .ended(broken(error))
        }
    }

    /// - Returns: false if more is acknowledged than was sent.
    func acknowledge(_ bytes: UInt64, now: UInt64) -> Bool {
        guard bytes <= outstanding else { return false }
        // Without credit it could not send, so this time does not count as idle.
        if outstanding == window { lastMoved = now }
        outstanding -= bytes
        return true
    }

    // MARK: Input

    /// Writes as much input as the socket takes now.
    /// - Returns: calls to answer, or to refuse because the other side accepts nothing any more.
    func feed(now: @autoclosure () -> UInt64) -> (answers: RunningInput.Answers, outcome: Outcome) {
        guard !isInputOver, let raw = socket?.raw else {
            return (RunningInput.Answers(taken: queue.answerable()), .goesOn)
        }
        var error: Int32 = 0
        let before = queue.waiting
        queue.drain { bytes in
            while true {
                let count = berth_send(raw, bytes.baseAddress, bytes.count)
                if count > 0 { return count }
                if count == -Int(EINTR) { continue }
                error = count == -Int(EAGAIN) ? 0 : Int32(clamping: -count)
                return -1
            }
        }
        if idle != nil, queue.waiting < before { lastMoved = now() }
        if error == EPIPE {
            isInputOver = true
            let refused = queue.close()
            return (
                RunningInput.Answers(refused: refused), isOutputOver ? .ended(whole) : .goesOn
            )
        }
        if error != 0 {
            // Received bytes, and the end, are still read.
            isInputOver = true
            return (RunningInput.Answers(refused: queue.close()), isOutputOver ? .ended(reset) : .goesOn)
        }
        let answers = RunningInput.Answers(taken: queue.answerable())
        guard queue.hasEnd, queue.waiting == 0 else { return (answers, .goesOn) }
        isInputOver = true
        shutdown(raw, Int32(SHUT_WR))
        return (answers, isOutputOver ? .ended(whole) : .goesOn)
    }

    // MARK: The end

    /// When to call `timePassed`.
    var deadline: UInt64? {
        var first = due
        if isConnecting { first = min(first ?? .max, connectDue) }
        if let idleDue { first = min(first ?? .max, idleDue) }
        return first
    }

    private var idleDue: UInt64? {
        guard socket != nil, outstanding < window else { return nil }
        return idle.map { lastMoved + $0 }
    }

    func timePassed(now: UInt64) -> Outcome {
        if let due, due <= now {
            return .ended(ended(.timedOut, "its time-out of \(request.timeoutMilliseconds) ms passed"))
        }
        if isConnecting, connectDue <= now { return .ended(refusal(ETIMEDOUT)) }
        if let idleDue, idleDue <= now {
            return .ended(ended(.idleTimeout, "no bytes went either way for \(request.idleTimeoutMilliseconds) ms"))
        }
        return .goesOn
    }

    func cancelled(_ words: String = "") -> Agent.Ended { ended(.cancelled, words) }

    private var whole: Agent.Ended { ended(.exited) }
    private var reset: Agent.Ended { ended(.connectionReset, "the other side broke the connection off") }
    private func broken(_ error: Int32) -> Agent.Ended {
        ended(.connectionReset, "the connection broke: \(String(cString: strerror(error)))")
    }

    private func ended(_ cause: EndCause, _ message: String = "") -> Agent.Ended {
        Agent.Ended(cause: cause, message: message, stdoutBytes: sent)
    }
}
