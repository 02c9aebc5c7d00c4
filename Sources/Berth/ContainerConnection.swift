// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema

/// A byte stream to something that listens in a leased container. Iterating gives what comes from there, in pieces, to its
/// end; `write` and `finish` are the other direction. Iterate it once, from one task.
///
///     let connection = try await client.connect(port: 8080, in: lease)
///     try await connection.write(Array("GET / HTTP/1.0\r\n\r\n".utf8))
///     try await connection.finish()
///     for try await piece in connection { print(String(decoding: piece, as: UTF8.self)) }
///
/// Both directions end on their own: when the iteration has ended, `write` still writes. Iterating throws `BerthError` when
/// the connection ended in another way: `aborted` where the other side broke it off, `cancelled` where it was cancelled or
/// its lease ended, `deadlineExceeded` at a time-out, `unavailable` when the container or the server went away.
///
/// If it is read slowly, whoever sends in the container waits. One that is dropped before its end is closed.
public final class ContainerConnection: AsyncSequence, Sendable {
    public typealias Element = [UInt8]

    private let execution: Execution

    init(_ execution: Execution) {
        self.execution = execution
    }

    /// Its id, as of an execution: for `executions(in:)`.
    public var id: String { get async throws(BerthError) { try await execution.id } }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(events: execution.makeAsyncIterator()) }

    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate var events: Execution.AsyncIterator
        private var hasEnded = false

        fileprivate init(events: Execution.AsyncIterator) { self.events = events }

        public mutating func next() async throws -> [UInt8]? {
            while !hasEnded, let event = try await events.next() {
                switch event {
                case .output(let output): return output.data
                case .outputEnded: hasEnded = true
                case .ended(let ended):
                    hasEnded = true
                    if let error = BerthError(connectionEnd: ended) { throw error }
                case .started, .dropped, .display, .failure, .prompt, .unknown: break
                }
            }
            hasEnded = true
            return nil
        }
    }

    /// Sends bytes. Returns when they were taken, which takes as long as the other side does not read.
    /// - Throws: `failedPrecondition` or `notFound` when the other side takes no more, or the connection has ended.
    public func write(_ bytes: [UInt8]) async throws(BerthError) { try await execution.write(bytes) }

    /// Tells the other side that nothing follows, as `shutdown(SHUT_WR)` does; what comes from there still comes.
    /// - Parameter bytes: the last bytes, sent together with the end.
    /// - Throws: the errors of `write`.
    public func finish(after bytes: [UInt8] = []) async throws(BerthError) {
        try await execution.closeInput(after: bytes)
    }

    /// Closes it at once, in both directions. Without effect when it has ended.
    public func close() { execution.kill() }
}

extension BerthClient {
    /// Connects to a TCP port of a leased container's loopback, whatever its network is.
    /// - Parameters:
    ///   - port: of 127.0.0.1, or of ::1 where nobody listens on the former.
    ///   - lease: whose member.
    ///   - wait: how long to wait until somebody listens there.
    ///   - timeout: how long the connection lasts at most; nil is the server's limit, 24 h.
    ///   - idleTimeout: closes it after so long without a byte in either direction; nil: never.
    ///   - window: bytes that may wait here for their reader; whoever sends in the container then waits.
    /// - Throws: `failedPrecondition` (`connectionRefused`) when nobody listens there.
    public func connect(
        port: Int, in lease: Lease, wait: Duration = .zero, timeout: Duration? = nil, idleTimeout: Duration? = nil,
        window: Int = standardWindow
    ) async throws(BerthError) -> ContainerConnection {
        try await connect(
            ConnectRequest(
                lease: lease.token, port: UInt32(clamping: port), waitMilliseconds: wait.milliseconds,
                timeoutMilliseconds: timeout?.milliseconds ?? 0,
                idleTimeoutMilliseconds: idleTimeout?.milliseconds ?? 0, windowBytes: UInt64(window)))
    }

    /// Connects to a unix socket in a leased container, as the pool's user.
    /// - Parameters:
    ///   - path: absolute.
    ///   - lease: whose member.
    ///   - wait: how long to wait until somebody listens there.
    ///   - timeout: how long the connection lasts at most; nil is the server's limit, 24 h.
    ///   - idleTimeout: closes it after so long without a byte in either direction; nil: never.
    ///   - window: bytes that may wait here for their reader; whoever sends in the container then waits.
    /// - Throws: `notFound` (`noSuchFile`) when there is nothing, `permissionDenied` (`notPermitted`), `failedPrecondition`
    ///   (`connectionRefused`, `notASocket`).
    public func connect(
        unix path: SystemString, in lease: Lease, wait: Duration = .zero, timeout: Duration? = nil,
        idleTimeout: Duration? = nil, window: Int = standardWindow
    ) async throws(BerthError) -> ContainerConnection {
        try await connect(
            ConnectRequest(
                lease: lease.token, path: path, waitMilliseconds: wait.milliseconds,
                timeoutMilliseconds: timeout?.milliseconds ?? 0,
                idleTimeoutMilliseconds: idleTimeout?.milliseconds ?? 0, windowBytes: UInt64(window)))
    }

    private func connect(_ request: ConnectRequest) async throws(BerthError) -> ContainerConnection {
        let stream = EventStream<ExecuteEvent>(
            connector, PoolService.connect, request, lease: request.lease, window: Int(request.windowBytes),
            leaving: .kill)
        let execution = Execution(lease: request.lease, stream: stream, inputOffset: 0)
        _ = try await stream.started()
        return ContainerConnection(execution)
    }
}

extension BerthError {
    /// Nil for an end that both sides have wanted.
    fileprivate init?(connectionEnd ended: Ended) {
        func words(_ fallback: String) -> String { ended.message.isEmpty ? fallback : ended.message }
        switch ended.cause {
        case .exited: return nil
        case .connectionReset: self.init(.aborted, words("the other side broke the connection off"))
        case .cancelled: self.init(.cancelled, words("the connection was cancelled"))
        case .timedOut, .idleTimeout: self.init(.deadlineExceeded, words("the connection's time was up"))
        case .containerLost, .draining: self.init(.unavailable, words("the container went away"))
        default: self.init(.unavailable, words("the connection ended: \(ended.cause)"))
        }
    }
}
