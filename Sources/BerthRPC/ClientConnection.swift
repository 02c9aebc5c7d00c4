// SPDX-License-Identifier: Apache-2.0

public import BerthSchema
internal import BerthWire
public import NIOCore

/// What a stream delivers: messages, then exactly one end.
public enum StreamEvent: Sendable, Equatable {
    /// An encoded message, a slice of what was read.
    case message(ByteBuffer)
    /// The end; nil if the server ended the stream without an error.
    case end(RPCError?)
}

/// Why a connection ended.
public enum CloseReason: Error, Sendable, Equatable, CustomStringConvertible {
    /// `close` was called.
    case closed
    /// The peer closed it.
    case closedByPeer
    /// Reading or writing failed.
    case failed(String)
    /// The peer broke the protocol, so it was closed.
    case protocolViolation(String)

    public var description: String {
        switch self {
        case .closed: "the connection was closed"
        case .closedByPeer: "the peer closed the connection"
        case .failed(let words): "the connection failed: \(words)"
        case .protocolViolation(let words): "the connection was closed because the peer broke the protocol: \(words)"
        }
    }
}

/// A connection to a ttrpc server for any number of concurrent calls. It may be used from any thread. On its event loop,
/// only the write is deferred, which all calls of one tick share.
///
/// When the connection ends, for whatever reason, every open call ends with UNAVAILABLE.
public final class ClientConnection: Sendable {
    /// The bounds of a connection. All sizes are in bytes.
    public struct Limits: Sendable {
        /// Maximum data of a frame from the peer; a longer one is a protocol violation.
        public var maxMessageLength = FrameHeader.maxDataLength
        /// Maximum calls that the peer has not ended; one more fails with RESOURCE_EXHAUSTED.
        public var maxCalls = 65_536
        /// Maximum bytes of requests that the peer has not read; a call beyond that fails with RESOURCE_EXHAUSTED.
        public var maxPendingBytes = 64 << 20
        /// Maximum bytes of one read, and maximum reads before other connections of the event loop have their turn. Buffers for so
        /// many bytes are kept for as long as the connection is open, once it has received much at once.
        package var maxReadBytes = 256 << 10
        package var maxReadsPerTurn = 4

        public init() {}

        var receiving: AdaptiveRecvByteBufferAllocator {
            AdaptiveRecvByteBufferAllocator(minimum: 64, initial: min(2048, maxReadBytes), maximum: maxReadBytes)
        }
    }

    public let eventLoop: any EventLoop
    let channel: any Channel
    private let core: NIOLoopBound<ClientCore>

    init(channel: any Channel, core: ClientCore) {
        self.channel = channel
        eventLoop = channel.eventLoop
        self.core = NIOLoopBound(core, eventLoop: channel.eventLoop)
        closed = core.whenClosed.futureResult
    }

    /// Calls a unary method.
    /// - Parameters:
    ///   - timeout: sent to the server, and enforced here too: the call then fails with DEADLINE_EXCEEDED.
    ///   - then: gets the encoded answer, exactly once, on the event loop.
    public func unary(
        service: String, method: String, _ message: some Message, timeout: TimeAmount? = nil, metadata: [KeyValue] = [],
        then: @escaping @Sendable (Result<ByteBuffer, RPCError>) -> Void
    ) {
        start(nil, .unary(then), service, method, message, timeout, metadata)
    }

    /// Calls a unary method and decodes its answer. Cancelling the task ends the wait with CANCELLED; the server continues.
    public func unary<R: Message>(
        service: String, method: String, _ message: some Message, timeout: TimeAmount? = nil, metadata: [KeyValue] = [],
        returning: R.Type = R.self
    ) async throws(RPCError) -> R {
        let handle = ClientStream(self)
        let result: Result<R, RPCError> = await withTaskCancellationHandler {
            // Unsafe, because a call's outcome is delivered exactly once, and the check would be one more allocation.
            await withUnsafeContinuation { continuation in
                start(
                    handle,
                    .unary { [core] answer in
                        continuation.resume(returning: answer.flatMap { core.value.decode($0) })
                    }, service, method, message, timeout, metadata)
            }
        } onCancel: {
            handle.abandon()
        }
        return try result.get()
    }

    /// Calls a server-streaming method.
    /// - Parameters:
    ///   - timeout: sent to the server, and enforced here too: the stream then ends with DEADLINE_EXCEEDED.
    ///   - event: is called with what the stream delivers, on the event loop.
    @discardableResult
    public func stream(
        service: String, method: String, _ message: some Message, timeout: TimeAmount? = nil, metadata: [KeyValue] = [],
        on event: @escaping @Sendable (StreamEvent) -> Void
    ) -> ClientStream {
        let handle = ClientStream(self)
        start(handle, .stream(event), service, method, message, timeout, metadata)
        return handle
    }

    /// Stops reading from the peer and delivering, until `resumeReading`. Deadlines still expire.
    public func pauseReading() { onLoop { $0.pauseReading() } }

    public func resumeReading() { onLoop { $0.resumeReading() } }

    /// Closes the connection. Open calls end with UNAVAILABLE.
    public func close() { onLoop { $0.close(.closed) } }

    /// Closes the connection for a reason, which open calls get as their error message.
    package func fail(_ words: String) { onLoop { $0.close(.failed(words)) } }

    /// What another program needs to go on with it, see `ClientCore.carry`. On the event loop.
    package func carry() throws(CarryError) -> CarriedLink? {
        guard channel.isActive else { return nil }
        return try core.value.carry(descriptor: try channel.socketDescriptor())
    }

    /// Goes on with a stream of the connection that this one goes on with.
    package func goOn(_ id: UInt32, on event: @escaping @Sendable (StreamEvent) -> Void) -> ClientStream {
        let handle = ClientStream(self)
        onLoop { $0.goOn(handle, id, event) }
        return handle
    }

    /// Whether calls are open. On the event loop.
    package var hasCalls: Bool { core.value.hasCalls }

    /// Completes when the connection is closed, for whatever reason; never fails.
    public var onClose: EventLoopFuture<Void> { closed.map { _ in } }

    /// Completes with the reason when the connection is closed; never fails.
    public let closed: EventLoopFuture<CloseReason>

    func abandon(_ handle: ClientStream) { onLoop { $0.abandon(handle) } }

    private func start(
        _ handle: ClientStream?, _ sink: ClientCore.Sink, _ service: String, _ method: String, _ message: some Message,
        _ timeout: TimeAmount?, _ metadata: [KeyValue]
    ) {
        // The timeout begins now, not when the event loop gets to it.
        let deadline = timeout.map { eventLoop.now + $0 }
        let head = RequestHead(
            service: service, method: method, timeoutNanoseconds: timeout.map { max(1, $0.nanoseconds) } ?? 0,
            metadata: metadata)
        // On the loop no closure is needed, which would be allocated.
        guard !eventLoop.inEventLoop else { return core.value.start(handle, sink, head, message, deadline: deadline) }
        eventLoop.execute { [core] in core.value.start(handle, sink, head, message, deadline: deadline) }
    }

    private func onLoop(_ body: @escaping @Sendable (ClientCore) -> Void) {
        if eventLoop.inEventLoop {
            body(core.value)
        } else {
            eventLoop.execute { [core] in body(core.value) }
        }
    }
}
