// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema

/// A byte stream to something that listens in a leased container. Iterating returns the received bytes, in pieces, until the
/// end; `write` and `finish` are the other direction. Iterate it once, from one task.
///
///     let connection = try await client.connect(port: 8080, in: lease)
///     try await connection.write(Array("GET / HTTP/1.0\r\n\r\n".utf8))
///     try await connection.finish()
///     for try await piece in connection { print(String(decoding: piece, as: UTF8.self)) }
///
/// Each direction ends on its own: after the end of the iteration, `write` still works. Iterating throws `BerthError` if the
/// connection ended in another way: `aborted` if the other side reset it, `cancelled` if it was cancelled or its lease ended,
/// `deadlineExceeded` at a time-out, `unavailable` if the container or the server is gone.
///
/// If it is read slowly, the sender in the container waits. If it is dropped before its end, it is closed.
public final class ContainerConnection: AsyncSequence, Sendable {
    public typealias Element = [UInt8]

    private let execution: Execution

    init(_ execution: Execution) {
        self.execution = execution
    }

    /// The id of its execution, as in `executions(in:)`.
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

    /// Sends bytes. Returns when they were accepted: it waits while the other side does not read.
    /// - Throws: `failedPrecondition` or `notFound` if the other side accepts nothing any more, or the connection has ended.
    public func write(_ bytes: [UInt8]) async throws(BerthError) { try await execution.write(bytes) }

    /// Ends sending, like `shutdown(SHUT_WR)`; receiving continues.
    /// - Parameter bytes: the last bytes, sent together with the end.
    /// - Throws: the errors of `write`.
    public func finish(after bytes: [UInt8] = []) async throws(BerthError) {
        try await execution.closeInput(after: bytes)
    }

    /// Closes it at once, in both directions. It has no effect after the end.
    public func close() { execution.kill() }
}

extension BerthClient {
    /// Connects to a TCP port of a leased container's loopback, whatever network it has.
    /// - Parameters:
    ///   - port: a port of 127.0.0.1, or of ::1 if nothing listens on 127.0.0.1.
    ///   - lease: the lease of the container.
    ///   - wait: the longest wait until something listens there.
    ///   - timeout: maximum duration of the connection; nil is the server's limit, 24 h.
    ///   - idleTimeout: maximum time without bytes in either direction, after which it is closed; nil is no limit.
    ///   - window: maximum bytes that wait here for their reader; then the sender in the container waits.
    /// - Throws: `failedPrecondition` (`connectionRefused`) if nothing listens there.
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
    ///   - path: an absolute path.
    ///   - lease: the lease of the container.
    ///   - wait: the longest wait until something listens there.
    ///   - timeout: maximum duration of the connection; nil is the server's limit, 24 h.
    ///   - idleTimeout: maximum time without bytes in either direction, after which it is closed; nil is no limit.
    ///   - window: maximum bytes that wait here for their reader; then the sender in the container waits.
    /// - Throws: `notFound` (`noSuchFile`) if nothing is at the path, `permissionDenied` (`notPermitted`), `failedPrecondition`
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
    /// Nil for a normal end of both directions.
    init?(connectionEnd ended: Ended) {
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
