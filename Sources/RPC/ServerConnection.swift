public import NIOCore
public import Schema
internal import Wire

/// A client's connection. Confined to its event loop.
public final class ServerConnection {
    /// Unique within its server.
    public let id: UInt64
    public let eventLoop: any EventLoop
    /// The client's address, "127.0.0.1:5123", or "unix".
    public let peer: String
    /// For decoding and encoding messages.
    public private(set) lazy var arena = Arena()
    /// The service's own session object.
    public var userInfo: AnyObject?

    let service: any RPCService
    let limits: RPCServer.Configuration
    let output: FrameOutput
    var streams: ServerStreams<ServerCall>
    var queues = StreamQueues()
    var held: HeldMemory
    /// Calls that found no room, the one that waits longest first.
    var awaitingRoom: [ServerCall] = []
    /// What waits has reached the high watermark, and has not come down to the low one.
    var isFull = false
    var isTellingOfRoom = false
    /// How often room was told of.
    var turns: UInt = 0
    private var context: ChannelHandlerContext?
    private var reader: FrameReader
    /// Its first byte has come, and was one with which a frame can begin.
    private var hasBegun = false
    private var isParsing = false
    /// The channel asked to read while answers were piling up.
    private var isReadDue = false
    /// When the one timer for all deadlines fires; it may find that nothing is due any more.
    private var timer: (deadline: NIODeadline, task: Scheduled<Void>)?

    init(
        id: UInt64, peer: String, eventLoop: any EventLoop, service: any RPCService, limits: RPCServer.Configuration
    ) {
        held = HeldMemory(limits.memory.account(of: ServerConnection.host(peer)))
        self.id = id
        self.peer = peer
        self.eventLoop = eventLoop
        self.service = service
        self.limits = limits
        output = FrameOutput(eventLoop: eventLoop)
        streams = ServerStreams(maxCalls: limits.maxCallsPerConnection)
        reader = FrameReader(maxDataLength: FrameHeader.maxDataLength, asksAbove: limits.largeFrame)
    }

    /// The peer's address without its port, so that all connections of a host are one client; or "unix".
    public var host: String { ServerConnection.host(peer) }

    private static func host(_ peer: String) -> String {
        peer.lastIndex(of: ":").map { String(peer[..<$0]) } ?? peer
    }

    /// What is held for this client, on all its connections.
    public var memory: MemoryAccount { held.account }

    /// Whether streams should send now.
    public var isWritable: Bool { context != nil && !isFull }

    /// Closes the connection; what was answered before goes out as far as the peer takes it. All its calls are cancelled.
    public func close() {
        guard let context else { return }
        output.flush()
        context.close(promise: nil)
    }

    // MARK: what the channel does

    func opened(_ context: ChannelHandlerContext) {
        self.context = context
        output.attach(context)
        output.onWritten = { [unowned self] in self.written() }
        service.connectionOpened(self)
    }

    func closed() {
        guard context != nil else { return }
        context = nil
        output.detach()
        timer?.task.cancel()
        timer = nil
        queues.removeAll()
        awaitingRoom = []
        for call in streams.closed() { call.cancel(RPCError(.cancelled, "the client's connection closed")) }
        held.closed()
        service.connectionClosed(self)
    }

    func received(_ bytes: ByteBuffer) {
        // What comes after the decision to close is not read.
        guard context != nil else { return }
        if !hasBegun {
            guard !ForeignProtocol.begins(bytes) else { return refuse(bytes) }
            hasBegun = true
        }
        output.beginBurst()
        reader.append(bytes)
        parse()
    }

    func readCompleted() {
        output.endBurst()
    }

    func writabilityChanged() { output.writabilityChanged() }

    /// Another protocol's client.
    private func refuse(_ bytes: ByteBuffer) {
        guard let context else { return }
        service.connectionRefused(self, speaking: ForeignProtocol.name(bytes))
        if let answer = ForeignProtocol.answer(bytes) { context.write(NIOAny(answer), promise: nil) }
        context.flush()
        closed()
        context.close(promise: nil)
    }

    /// Whether the channel may read; if not, it does later.
    func mayRead() -> Bool {
        isReadDue = isBackedUp
        return !isReadDue
    }

    /// Answers pile up: the peer does not read them, so its requests are not read either.
    private var isBackedUp: Bool { output.pendingBytes >= limits.pauseReadingBytes }

    private func written() {
        settle()
        guard !isBackedUp, let context else { return }
        if reader.unreadBytes > 0 { parse() }
        if isReadDue, !isBackedUp {
            isReadDue = false
            context.read()
        }
    }

    // MARK: frames

    private func parse() {
        guard !isParsing else { return }
        isParsing = true
        defer { isParsing = false }
        while context != nil, !isBackedUp, let item = reader.next() {
            switch item {
            case .frame(let header, let data):
                held.frameIsWhole()
                switch streams.received(header) {
                case .open(let streaming): open(header.streamID, streaming: streaming, data)
                case let decision: carryOut(decision, header.streamID)
                }
            case .oversized(let header):
                carryOut(streams.receivedOversized(header, limit: FrameHeader.maxDataLength), header.streamID)
            case .large(let header):
                if held.admitFrame(FrameHeader.size + Int(header.length)) {
                    reader.admit()
                } else {
                    reader.skip(header)
                    carryOut(streams.receivedTooLarge(header, memory.refusal), header.streamID)
                }
            }
            output.continueBurst()
        }
        if context != nil { held.unread(reader.capacity) }
    }

    private func carryOut(_ decision: ServerStreams<ServerCall>.Decision, _ id: UInt32) {
        switch decision {
        case .refuse(let error):
            answer(id, error)
        case .abort(let call, let error):
            answer(id, error)
            call.cancel(error)
        case .open, .ignore:
            break
        }
    }

    private func open(_ id: UInt32, streaming: Bool, _ data: ByteBuffer) {
        var payload = 0..<0
        let read = data.withUnsafeReadableBytes { bytes in
            Result { () throws(SchemaError) in try RequestHead(reading: bytes, payload: &payload) }
        }
        let head: RequestHead
        switch read {
        case .success(let value): head = value
        case .failure(let error): return answer(id, RPCError(.invalidArgument, error.description))
        }
        let timeout = head.timeoutNanoseconds
        guard timeout >= 0 else {
            return answer(id, RPCError(.deadlineExceeded, "the call's deadline passed before it came"))
        }
        let deadline = timeout == 0 ? nil : NIODeadline.now() + .nanoseconds(timeout)
        let call = ServerCall(
            connection: self, streamID: id, head: head,
            payload: data.getSlice(at: data.readerIndex + payload.lowerBound, length: payload.count) ?? ByteBuffer(),
            isServerStreaming: streaming, deadline: deadline)
        streams.opened(id, call, streaming: streaming, deadline: deadline)
        service.serve(call)
        guard !call.isEnded else { return }
        if let deadline { arm(deadline) }
        hold(call)
    }

    /// A call that was not answered at once: what is held for it is counted.
    private func hold(_ call: ServerCall) {
        let bytes = HeldMemory.ofCall + call.keepOwnPayload()
        guard memory.reserve(bytes) else {
            let error = memory.refusal
            streams.ended(call.streamID)
            answer(call.streamID, error)
            return call.cancel(error)
        }
        call.heldBytes = bytes
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
        let error = RPCError(.deadlineExceeded, "the call's deadline passed")
        for (id, call) in streams.expire(.now()) {
            answer(id, error)
            call.cancel(error)
        }
        if context != nil, let next = streams.nextDeadline { arm(next) }
    }
}
