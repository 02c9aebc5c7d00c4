internal import NIOCore
internal import Schema
internal import Wire

/// What a `ClientConnection` is on its event loop.
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

    let closed: EventLoopPromise<CloseReason>
    private let eventLoop: any EventLoop
    private let limits: ClientConnection.Limits
    private let arena = Arena()
    private let output: FrameOutput
    private var context: ChannelHandlerContext?
    private var streams: ClientStreams<Call>
    private var reader: FrameReader
    private var isParsing = false
    private var isPaused = false
    /// The channel asked to read while reading was paused.
    private var isReadDue = false
    /// Set by whatever comes first.
    private var reason: CloseReason?
    /// The channel is closed and all that it had read has been delivered.
    private var isOver = false
    /// When the one timer for all deadlines fires; it may find that nothing is due any more.
    private var timer: (deadline: NIODeadline, task: Scheduled<Void>)?

    init(eventLoop: any EventLoop, limits: ClientConnection.Limits) {
        self.eventLoop = eventLoop
        self.limits = limits
        closed = eventLoop.makePromise()
        output = FrameOutput(eventLoop: eventLoop)
        streams = ClientStreams(maxCalls: limits.maxCalls)
        reader = FrameReader(maxDataLength: limits.maxMessageLength)
    }

    // MARK: what callers do

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
            guard size <= FrameHeader.maxDataLength else { return .tooLarge("the request", size) }
            guard output.pendingBytes + size <= limits.maxPendingBytes else {
                return RPCError(.resourceExhausted, "\(output.pendingBytes) bytes wait for the peer to read them")
            }
            do throws(RPCError) {
                let id = try streams.open(
                    Call(sink: sink, handle: handle), streaming: isStreaming, deadline: deadline)
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
        if let deadline { arm(deadline) }
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
        parse()
        output.endBurst()
        if isReadDue, !isPaused, let context {
            isReadDue = false
            context.read()
        }
    }

    func close(_ why: CloseReason) {
        guard !isOver else { return }
        if reason == nil { reason = why }
        output.flush()
        context?.close(promise: nil)
        // What was read and not delivered has no reader any more.
        end()
    }

    func decode<R: Message>(_ answer: ByteBuffer) -> Result<R, RPCError> {
        let result = answer.withUnsafeReadableBytes { bytes in
            Result { () throws(SchemaError) in try R(decoding: bytes, arena: arena) }
        }
        return result.mapError { RPCError(.internal, "the answer cannot be read: \($0.description)") }
    }

    // MARK: what the channel does

    func opened(_ context: ChannelHandlerContext) {
        self.context = context
        output.attach(context)
    }

    func received(_ bytes: ByteBuffer) {
        output.beginBurst()
        reader.append(bytes)
        parse()
    }

    func readCompleted() { output.endBurst() }

    func writabilityChanged() { output.writabilityChanged() }

    func mayRead() -> Bool {
        isReadDue = isPaused
        return !isPaused
    }

    /// The end of what can be read; what was read before is still delivered.
    func failed(_ error: any Error) {
        if reason == nil { reason = .failed(systemWords(error)) }
        context?.close(promise: nil)
    }

    /// The channel is closed. While reading is paused, what it had read is kept for `resumeReading`.
    func channelClosed() {
        context = nil
        output.detach()
        if reason == nil { reason = .closedByPeer }
        endIfDelivered()
    }

    /// What was read is delivered first.
    private func endIfDelivered() {
        guard reason != nil, !isParsing else { return }
        if !isPaused || (context == nil && reader.unreadBytes == 0) { end() }
    }

    private func end() {
        guard !isOver, let reason else { return }
        isOver = true
        timer?.task.cancel()
        timer = nil
        for call in streams.closed() { call.sink.fail(RPCError(reason)) }
        closed.succeed(reason)
    }

    // MARK: frames

    private func parse() {
        guard !isParsing else { return }
        isParsing = true
        while !isPaused, !isOver, let item = reader.next() {
            switch item {
            case .frame(let header, let data): received(header, data)
            case .oversized(let header), .large(let header):
                close(
                    .protocolViolation(
                        "a frame of \(header.length) bytes of data, the limit is \(limits.maxMessageLength)"))
            }
            output.continueBurst()
        }
        isParsing = false
        endIfDelivered()
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
                // A server should not end a stream so; what it says is clear all the same.
                if !payload.isEmpty { event(.message(slice)) }
                event(.end(nil))
            }
        }
    }

    // MARK: deadlines

    private func arm(_ deadline: NIODeadline) {
        if let timer {
            guard deadline < timer.deadline else { return }
            timer.task.cancel()
        }
        let task = eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { self.expire() }
        timer = (deadline, task)
    }

    private func expire() {
        timer = nil
        for call in streams.expire(.now()) {
            call.sink.fail(RPCError(.deadlineExceeded, "the call's deadline passed"))
        }
        if !isOver, let next = streams.nextDeadline { arm(next) }
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
