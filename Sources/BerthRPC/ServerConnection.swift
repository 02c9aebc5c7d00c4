// SPDX-License-Identifier: Apache-2.0

public import BerthSchema
internal import BerthWire
public import NIOCore

/// A client's connection. Confined to its event loop.
public final class ServerConnection {
    /// Unique within its server.
    public let id: UInt64
    public let eventLoop: any EventLoop
    /// The client's address, "127.0.0.1:5123", or "unix".
    public let peer: String
    /// The user id of the process at the other end of a unix socket, as the kernel says; nil over TCP.
    public internal(set) var peerUser: UInt32?
    /// Whom the client's certificate names; nil without one, and until the TLS handshake is over.
    public internal(set) var certificateName: String?
    /// For decoding and encoding messages.
    public private(set) lazy var arena = Arena()

    let limits: RPCServer.Configuration
    let port: FramePort
    var streams: ServerStreams<ServerCall>
    var sending: SendingPolicy
    var held: HeldMemory
    private let service: any RPCService
    /// Set from `opened` to `closed`.
    private var session: (any ServiceSession)?
    /// Whether the first byte has arrived, and a frame can begin with it.
    private var hasBegun = false
    /// Nothing is read, served or written by it, until it is handed over or goes on.
    private(set) var isFrozen = false
    /// The connection that it goes on with, until it is opened.
    private var carried: CarriedConnection?
    /// Calls of that one to serve when it goes on.
    private var servedAgain: [ServerCall] = []
    private lazy var deadlines = DeadlineTimer(eventLoop: eventLoop) { [unowned self] in self.expire() }

    init(
        id: UInt64, peer: String, eventLoop: any EventLoop, service: any RPCService, limits: RPCServer.Configuration,
        over below: FrameOutput.Below = .socket, goingOn carried: CarriedConnection? = nil
    ) {
        self.carried = carried
        isFrozen = carried != nil
        held = HeldMemory(limits.memory.account(of: ServerConnection.host(peer)))
        self.id = id
        self.peer = peer
        self.eventLoop = eventLoop
        self.service = service
        self.limits = limits
        port = FramePort(
            eventLoop: eventLoop, over: below, maxDataLength: FrameHeader.maxDataLength, asksAbove: limits.largeFrame)
        streams = ServerStreams(maxCalls: limits.maxCallsPerConnection)
        sending = SendingPolicy(limits.sending)
    }

    /// The peer's address without its port, so that all connections of a host count as one client; or "unix".
    public var host: String { ServerConnection.host(peer) }

    private static func host(_ peer: String) -> String {
        peer.lastIndex(of: ":").map { String(peer[..<$0]) } ?? peer
    }

    /// The account of this client, which all its connections share.
    public var memory: MemoryAccount { held.account }

    /// Whether streams should send now.
    public var isWritable: Bool { isOpen && !isFrozen && !sending.isFull }

    var isOpen: Bool { port.context != nil }
    var output: FrameOutput { port.output }

    /// Closes the connection and cancels all its calls. Earlier answers go out as far as the peer accepts them.
    public func close() {
        guard let context = port.context else { return }
        output.flush()
        context.close(promise: nil)
    }

    /// Ends all open calls with an error. The connection stays open.
    /// - Parameter spared: a call that goes on.
    public func endCalls(_ error: RPCError, except spared: ServerCall? = nil) {
        for call in streams.all where !call.isEnded && call !== spared { abort(call, error) }
    }

    // MARK: frames

    private func takeFrames() {
        guard port.takeFrames(while: { isOpen && !isBackedUp && !isFrozen }, { received($0) }) else { return }
        if isOpen { held.unread(port.capacity) }
    }

    private func received(_ item: FrameReader.Item) {
        switch item {
        case .frame(let header, let data):
            // What was counted for it stays so until it is served.
            defer { held.frameIsWhole() }
            switch streams.received(header) {
            case .open(let streaming): open(header.streamID, streaming: streaming, data)
            case let decision: carryOut(decision, header.streamID)
            }
        case .oversized(let header):
            carryOut(streams.receivedOversized(header, limit: FrameHeader.maxDataLength), header.streamID)
        case .large(let header):
            if held.admitFrame(FrameHeader.size + Int(header.length)) {
                port.admit()
            } else {
                port.skip(header)
                carryOut(streams.receivedTooLarge(header, memory.refusal), header.streamID)
            }
        }
    }

    /// Whether the peer does not read its answers, so that its requests are not read either.
    private var isBackedUp: Bool { output.pendingBytes >= limits.pauseReadingBytes }

    private func written() {
        guard !isFrozen else { return }
        settle()
        guard !isBackedUp, isOpen else { return }
        if port.unreadBytes > 0 { takeFrames() }
        if !isBackedUp { port.readIfDue() }
    }

    private func carryOut(_ decision: ServerStreams<ServerCall>.Decision, _ id: UInt32) {
        switch decision {
        case .refuse(let error):
            answer(id, error)
        case .abort(let call, let error):
            sending.ended(id)
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
        let deadline = timeout == 0 ? nil : eventLoop.now + .nanoseconds(timeout)
        let call = ServerCall(
            connection: self, streamID: id, head: head,
            payload: data.getSlice(at: data.readerIndex + payload.lowerBound, length: payload.count) ?? ByteBuffer(),
            isServerStreaming: streaming, deadline: deadline)
        streams.opened(id, call, streaming: streaming, deadline: deadline)
        session?.serve(call)
        begun(call)
    }

    /// A call was served; now it has its answer, or waits for it.
    private func begun(_ call: ServerCall) {
        guard !call.isEnded else { return }
        if let deadline = call.deadline { deadlines.arm(deadline) }
        hold(call)
    }

    /// Counts the memory held for a call that was not answered at once.
    private func hold(_ call: ServerCall) {
        held.frameIsWhole()
        let bytes = HeldMemory.ofCall + call.keepOwnPayload()
        guard memory.reserve(bytes, sixteenths: HeldMemory.part(for: bytes)) else {
            return abort(call, memory.refusal)
        }
        call.heldBytes = bytes
    }

    /// Answers the calls whose deadline has passed, and returns the next deadline.
    private func expire() -> NIODeadline? {
        let error = RPCError(.deadlineExceeded, "the call's deadline passed")
        for (id, call) in streams.expire(eventLoop.now) {
            sending.ended(id)
            answer(id, error)
            call.cancel(error)
        }
        return isOpen ? streams.nextDeadline : nil
    }
}

// MARK: Handing over

extension ServerConnection {
    /// Stops reading, serving and sending, with the frame that is in hand.
    func freeze() { isFrozen = true }

    /// Goes on after `freeze`.
    func thaw() {
        guard isFrozen else { return }
        isFrozen = false
        output.beginBurst()
        // After those that go on, since it may be about one of them.
        for call in servedAgain where !call.isEnded {
            session?.serve(call)
            begun(call)
        }
        servedAgain = []
        takeFrames()
        written()
        output.endBurst()
        for call in streams.all where call.isWritable { call.onWritable?() }
    }

    /// What another program needs to go on with it. It must be frozen, and its event loop must not go on before the other program
    /// does.
    /// - Returns: nil if it is closed.
    /// - Throws: what can't be handed over.
    func carry(descriptor: Int32) throws(CarryError) -> CarriedConnection? {
        guard isOpen, let session else { return nil }
        var calls: [CarriedCall] = []
        for call in streams.all where !call.isEnded { calls.append(try call.carry()) }
        guard var unwritten = output.unwritten() else { throw CarryError("a connection with TLS") }
        var queued = sending.queues.allFrames
        unwritten.writeBuffer(&queued)
        return CarriedConnection(
            descriptor: descriptor, id: id, peer: peer, peerUser: peerUser, input: port.carriedInput,
            hasBegun: hasBegun,
            output: CarriedBytes(unwritten), calls: calls, session: session.carried)
    }

    /// Whether a call is open that can't be handed over, and which.
    var obstacle: String? {
        streams.all.first { !$0.isEnded && $0.carriage == nil }.map { "\($0.method)" }
    }

    private func goOn(_ carried: CarriedConnection) {
        self.carried = nil
        hasBegun = carried.hasBegun
        port.goOn(carried.input)
        var output = carried.output.buffer
        if output.readableBytes > 0 { self.output.append(&output) }
        session?.goOn(carried.session)
        for carriedCall in carried.calls {
            let call = ServerCall(carriedCall, on: self)
            streams.opened(call.streamID, call, streaming: call.isServerStreaming, deadline: call.deadline)
            guard call.carriage != .again else {
                servedAgain.append(call)
                continue
            }
            session?.goOn(call)
            begun(call)
        }
    }
}

extension ServerConnection: ConnectionEnd {
    func opened(_ context: ChannelHandlerContext) {
        port.opened(context)
        output.onWritten = { [unowned self] in self.written() }
        session = service.open(self)
        if let carried { goOn(carried) }
    }

    func received(_ bytes: ByteBuffer) {
        // Nothing is read after the decision to close.
        guard isOpen else { return }
        if !hasBegun {
            guard !ForeignProtocol.begins(bytes) else { return refuse(bytes) }
            hasBegun = true
        }
        port.append(bytes)
        takeFrames()
    }

    func readCompleted() { port.readCompleted() }

    func mayRead() -> Bool { port.mayRead(unless: isBackedUp || isFrozen) }

    func failed(_ error: any Error) { port.context?.close(promise: nil) }

    func closed() {
        guard isOpen else { return }
        port.closed()
        deadlines.cancel()
        sending.closed()
        for call in streams.closed() { call.cancel(RPCError(.cancelled, "the client's connection closed")) }
        held.closed()
        session?.closed(self)
        session = nil
    }

    /// Another protocol's client.
    private func refuse(_ bytes: ByteBuffer) {
        guard let context = port.context else { return }
        session?.refused(self, speaking: ForeignProtocol.name(bytes))
        if let answer = ForeignProtocol.answer(bytes) { context.write(NIOAny(answer), promise: nil) }
        context.flush()
        closed()
        context.close(promise: nil)
    }
}
