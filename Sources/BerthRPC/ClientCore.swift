// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import BerthWire
internal import NIOCore

/// The part of a `ClientConnection` that is confined to its event loop.
final class ClientCore {
    /// Where a call's outcome goes.
    enum Sink: Sendable {
        case unary(@Sendable (Result<ByteBuffer, RPCError>) -> Void)
        case stream(@Sendable (StreamEvent) -> Void)

        func fail(_ error: RPCError) {
            switch self {
            case .unary(let then): then(.failure(error))
            case .stream(let event): event(.end(error))
            }
        }
    }

    struct Call {
        var sink: Sink
        var handle: ClientStream?
    }

    let whenClosed: EventLoopPromise<CloseReason>
    private let eventLoop: any EventLoop
    private let limits: ClientConnection.Limits
    private let arena = Arena()
    private let port: FramePort
    private var streams: ClientStreams<Call>
    private var isPaused = false
    /// What another connection has left to write.
    private var unwritten = ByteBuffer()
    /// Why the connection ended: the first cause.
    private var reason: CloseReason?
    /// Whether the channel is closed and everything it had read has been delivered.
    private var isOver = false
    private lazy var deadlines = DeadlineTimer(eventLoop: eventLoop) { [unowned self] in self.expire() }

    init(eventLoop: any EventLoop, limits: ClientConnection.Limits, over below: FrameOutput.Below) {
        self.eventLoop = eventLoop
        self.limits = limits
        whenClosed = eventLoop.makePromise()
        port = FramePort(eventLoop: eventLoop, over: below, maxDataLength: limits.maxMessageLength)
        streams = ClientStreams(maxCalls: limits.maxCalls, maxPendingBytes: limits.maxPendingBytes)
    }

    private var output: FrameOutput { port.output }

    // MARK: calls

    func start(
        _ handle: ClientStream?, _ sink: Sink, _ head: RequestHead, _ message: some Message, deadline: NIODeadline?
    ) {
        if let reason { return sink.fail(RPCError(reason)) }
        let isStreaming =
            switch sink {
            case .unary: false
            case .stream: true
            }
        let error = message.encode(arena: arena) { payloadSize, pack -> RPCError? in
            let size = head.size(payloadSize: payloadSize)
            do throws(RPCError) {
                let id = try streams.open(
                    Call(sink: sink, handle: handle), streaming: isStreaming, deadline: deadline, size: size,
                    pending: output.pendingBytes)
                handle?.streamID = id
                output.append(.request, isStreaming ? .remoteClosed : [], streamID: id, size: size) { room in
                    head.write(payloadSize: payloadSize, into: room, pack)
                }
                return nil
            } catch {
                return error
            }
        }
        if let error { return sink.fail(error) }
        if let deadline { deadlines.arm(deadline) }
    }

    func abandon(_ handle: ClientStream) {
        let id = handle.streamID
        guard streams.call(id)?.handle === handle, let call = streams.abandon(id) else { return }
        call.sink.fail(RPCError(.cancelled, "the caller left the call"))
    }

    var hasCalls: Bool { streams.count > 0 }

    func pauseReading() { isPaused = true }

    func resumeReading() {
        guard isPaused else { return }
        isPaused = false
        output.beginBurst()
        takeFrames()
        output.endBurst()
        if !isPaused { port.readIfDue() }
    }

    func close(_ why: CloseReason) {
        guard !isOver else { return }
        if reason == nil { reason = why }
        output.flush()
        port.context?.close(promise: nil)
        // Nobody will take what was read and not delivered.
        end()
    }

    // MARK: Handing over

    /// What another program needs to go on with the connection. Reading must be paused, and the event loop must not go on before the
    /// other program does.
    /// - Returns: nil if it has ended.
    func carry(descriptor: Int32) throws(CarryError) -> CarriedLink? {
        guard port.context != nil, reason == nil else { return nil }
        guard isPaused, let unwritten = output.unwritten() else {
            throw CarryError("a connection that is not a socket")
        }
        return CarriedLink(
            descriptor: descriptor, input: port.carriedInput, output: CarriedBytes(unwritten), lastID: streams.lastID,
            calls: streams.carried)
    }

    /// Begins where another connection was, before it is opened. Reading is paused.
    func goOn(_ carried: CarriedLink) {
        isPaused = true
        port.goOn(carried.input)
        streams.goOn(carried)
        unwritten = carried.output.buffer
    }

    /// Goes on with a stream. It ends at once if the peer has no such stream open.
    func goOn(_ handle: ClientStream, _ id: UInt32, _ event: @escaping @Sendable (StreamEvent) -> Void) {
        handle.streamID = id
        guard reason == nil, streams.goOn(id, Call(sink: .stream(event), handle: handle)) else {
            return event(.end(RPCError(.unavailable, "the connection has ended")))
        }
    }

    func decode<R: Message>(_ answer: ByteBuffer) -> Result<R, RPCError> {
        let result = answer.withUnsafeReadableBytes { bytes in
            Result { () throws(SchemaError) in try R(decoding: bytes, arena: arena) }
        }
        return result.mapError { RPCError(.internal, "the answer cannot be read: \($0.description)") }
    }

    /// Ends the connection once everything that was read has been delivered.
    private func endIfDelivered() {
        guard reason != nil, !port.isTakingFrames else { return }
        if !isPaused || (port.context == nil && port.unreadBytes == 0) { end() }
    }

    private func end() {
        guard !isOver, let reason else { return }
        isOver = true
        deadlines.cancel()
        for call in streams.closed() { call.sink.fail(RPCError(reason)) }
        whenClosed.succeed(reason)
    }

    // MARK: frames

    private func takeFrames() {
        guard port.takeFrames(while: { !isPaused && !isOver }, { received($0) }) else { return }
        endIfDelivered()
    }

    private func received(_ item: FrameReader.Item) {
        switch item {
        case .frame(let header, let data): received(header, data)
        case .oversized(let header), .large(let header):
            close(
                .protocolViolation(
                    "a frame of \(header.length) bytes of data, the limit is \(limits.maxMessageLength)"))
        }
    }

    private func received(_ header: FrameHeader, _ data: ByteBuffer) {
        switch streams.received(header) {
        case .answer(let call): respond(call, header, data)
        case .end(let call): respond(call, header, data)
        case .message(let call): call.sink.event(.message(data))
        case .lastMessage(let call):
            call.sink.event(.message(data))
            call.sink.event(.end(nil))
        case .finished(let call): call.sink.event(.end(nil))
        case .ignore: break
        case .violation(let what): close(.protocolViolation(what))
        }
    }

    private func respond(_ call: Call, _ header: FrameHeader, _ data: ByteBuffer) {
        var payload = 0..<0
        let read = data.withUnsafeReadableBytes { bytes in
            Result { () throws(SchemaError) in try ResponseHead(reading: bytes, payload: &payload) }
        }
        switch read {
        case .failure(let error):
            let reason = CloseReason.protocolViolation(error.description)
            call.sink.fail(RPCError(reason))
            close(reason)
        case .success(let head):
            if let error = RPCError(head.status) { return call.sink.fail(error) }
            let slice = data.getSlice(at: data.readerIndex + payload.lowerBound, length: payload.count) ?? ByteBuffer()
            switch call.sink {
            case .unary(let then): then(.success(slice))
            case .stream(let event):
                // A server should not end a stream like this, but the meaning is clear.
                if !payload.isEmpty { event(.message(slice)) }
                event(.end(nil))
            }
        }
    }

    /// Ends the calls whose deadline has passed, and returns the next deadline.
    private func expire() -> NIODeadline? {
        for call in streams.expire(eventLoop.now) {
            call.sink.fail(RPCError(.deadlineExceeded, "the call's deadline passed"))
        }
        return isOver ? nil : streams.nextDeadline
    }
}

extension ClientCore: ConnectionEnd {
    func opened(_ context: ChannelHandlerContext) {
        port.opened(context)
        if unwritten.readableBytes > 0 { output.append(&unwritten) }
        unwritten = ByteBuffer()
    }

    func received(_ bytes: ByteBuffer) {
        port.append(bytes)
        takeFrames()
    }

    func readCompleted() { port.readCompleted() }

    func mayRead() -> Bool { port.mayRead(unless: isPaused) }

    /// Nothing more can be read; what was read before is still delivered.
    func failed(_ error: any Error) {
        if reason == nil { reason = .failed(systemWords(error)) }
        port.context?.close(promise: nil)
    }

    /// The channel is closed. While reading is paused, what it had read is kept for `resumeReading`.
    func closed() {
        port.closed()
        if reason == nil { reason = .closedByPeer }
        endIfDelivered()
    }
}

extension ClientCore.Sink {
    fileprivate func event(_ value: StreamEvent) {
        if case .stream(let event) = self { event(value) }
    }
}

extension RPCError {
    init(_ reason: CloseReason) { self.init(.unavailable, reason.description) }
}
