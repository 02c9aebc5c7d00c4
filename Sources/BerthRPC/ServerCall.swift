// SPDX-License-Identifier: Apache-2.0

public import BerthSchema
internal import BerthWire
public import NIOCore

/// One call of a client. Confined to the event loop of its connection.
///
/// On a call that has ended, every function does nothing, since a deadline may end it at any time.
public final class ServerCall {
    public let connection: ServerConnection
    public let streamID: UInt32
    /// The service's full name, e.g. `berth.v1.Pool`.
    public let service: String
    public let method: String
    public let metadata: [KeyValue]
    /// Whether the client awaits a stream of messages rather than one answer.
    public let isServerStreaming: Bool
    /// When the call is answered with DEADLINE_EXCEEDED, if it has not ended by then.
    public let deadline: NIODeadline?
    /// Bytes of the encoded request message, also after it was released.
    public let requestBytes: Int
    /// The encoded request message.
    private(set) var payloadBuffer: ByteBuffer
    /// Whether a stream's request is needed after `serve` has returned. A unary call's is counted until the call ends, be it
    /// encoded or decoded.
    public var keepsPayload = false
    /// How it goes on in the program that takes this one's place; nil: it does not, and holds that up.
    package var carriage: Carriage?
    /// Bytes counted for the call in the budget.
    var heldBytes = 0

    public internal(set) var isEnded = false

    /// Called at most once, if the call ends without the service ending it: its deadline passed (DEADLINE_EXCEEDED), its
    /// connection closed (CANCELLED), or the client violated the protocol on its stream (INVALID_ARGUMENT,
    /// RESOURCE_EXHAUSTED). The client has its answer already, if it can get one.
    public var onCancel: ((RPCError) -> Void)? {
        didSet { if isEnded, onCancel != nil { onCancel = nil } }
    }

    /// Called once when the call has ended, however it did, with the error that its client got.
    public var onEnd: ((RPCError?) -> Void)?
    /// The error with which it ends.
    var failure: RPCError?

    /// Called every time there is room again after `isWritable` was false.
    public var onWritable: (() -> Void)? {
        didSet { if isEnded, onWritable != nil { onWritable = nil } }
    }

    init(
        connection: ServerConnection, streamID: UInt32, head: RequestHead, payload: ByteBuffer, isServerStreaming: Bool,
        deadline: NIODeadline?
    ) {
        self.connection = connection
        self.streamID = streamID
        self.service = head.service
        self.method = head.method
        self.metadata = head.metadata
        self.payloadBuffer = payload
        self.requestBytes = payload.readableBytes
        self.isServerStreaming = isServerStreaming
        self.deadline = deadline
    }

    init(_ carried: CarriedCall, on connection: ServerConnection) {
        self.connection = connection
        streamID = carried.streamID
        service = carried.service
        method = carried.method
        metadata = carried.metadata.compactMap { $0.count == 2 ? KeyValue(key: $0[0], value: $0[1]) : nil }
        payloadBuffer = carried.payload.buffer
        requestBytes = carried.requestBytes
        isServerStreaming = carried.isServerStreaming
        deadline = carried.deadline.map { .uptimeNanoseconds($0) }
        carriage = carried.goesOn
    }

    func carry() throws(CarryError) -> CarriedCall {
        guard let carriage else { throw CarryError("a call of \(method)") }
        return CarriedCall(
            streamID: streamID, service: service, method: method, metadata: metadata.map { [$0.key, $0.value] },
            isServerStreaming: isServerStreaming, deadline: deadline?.uptimeNanoseconds, requestBytes: requestBytes,
            payload: CarriedBytes(payloadBuffer), goesOn: carriage)
    }

    /// The encoded request message.
    public var payload: [UInt8] { [UInt8](payloadBuffer.readableBytesView) }

    /// The request message.
    /// - Throws: INVALID_ARGUMENT, whose message says what was wrong; RESOURCE_EXHAUSTED if there is no memory for a large one.
    public func decode<M: Message>(_: M.Type) throws(RPCError) -> M {
        if payloadBuffer.readableBytes > connection.limits.largeFrame { try admitDecoding(M.self) }
        let result = payloadBuffer.withUnsafeReadableBytes { bytes in
            Result { () throws(SchemaError) in try M(decoding: bytes, arena: connection.arena) }
        }
        switch result {
        case .success(let message): return message
        case .failure(let error): throw RPCError(.invalidArgument, error.description)
        }
    }

    /// Counts the memory of a decoded request until the next tick of the event loop, since few encoded bytes can become many.
    private func admitDecoding<M: Message>(_: M.Type) throws(RPCError) {
        let bytes = payloadBuffer.withUnsafeReadableBytes { M.memory(decoding: $0) }
        let account = connection.memory
        guard account.reserve(bytes, sixteenths: HeldMemory.part(for: bytes)) else { throw account.refusal(of: bytes) }
        connection.eventLoop.execute { account.give(bytes) }
    }

    /// Whether a stream should send now, because there is room in its queue and on its connection. What it sends regardless
    /// waits in the server's memory, up to a limit at which the call fails.
    public var isWritable: Bool { connection.hasRoom(for: self) }

    /// Ends a unary call with its answer.
    public func respond(_ message: some Message) {
        connection.respond(self, message)
    }

    /// Sends one message of a stream.
    public func send(_ message: some Message) {
        connection.send(self, message)
    }

    /// Sends one encoded message of a stream: `headSize` bytes, which `head` writes, and then `tail`, which is not copied if
    /// it is long and the client keeps up.
    public func send(headSize: Int = 0, _ head: (UnsafeMutableRawBufferPointer) -> Void = { _ in }, tail: ByteBuffer) {
        connection.send(self, headSize: headSize, head, tail: tail)
    }

    /// Ends a stream without an error.
    public func finish() {
        connection.finish(self)
    }

    /// Ends the call, unary or stream, with an error.
    public func fail(_ error: RPCError) {
        connection.fail(self, error)
    }

    /// The call continues after `serve` has returned: releases what is not needed any more, and copies the rest, which may be
    /// a slice of a larger buffer.
    /// - Returns: bytes held for its request.
    func keepOwnPayload() -> Int {
        let count = payloadBuffer.readableBytes
        if keepsPayload {
            if payloadBuffer.storageCapacity > 2 * count {
                payloadBuffer = ByteBuffer(bytes: payloadBuffer.readableBytesView)
            }
            return payloadBuffer.storageCapacity
        }
        payloadBuffer = ByteBuffer()
        return isServerStreaming ? 0 : count
    }

    /// Releases a request that was kept, and the bytes counted for it.
    public func dropPayload() {
        keepsPayload = false
        payloadBuffer = ByteBuffer()
        guard heldBytes > HeldMemory.ofCall else { return }
        connection.memory.give(heldBytes - HeldMemory.ofCall)
        heldBytes = HeldMemory.ofCall
    }

    /// Marks the call as ended and releases what it holds.
    func end() {
        if heldBytes > 0 {
            connection.memory.give(heldBytes)
            heldBytes = 0
        }
        isEnded = true
        onCancel = nil
        onWritable = nil
        guard let told = onEnd else { return }
        onEnd = nil
        told(failure)
    }

    /// Ends the call from outside the service.
    func cancel(_ error: RPCError) {
        guard !isEnded else { return }
        let notify = onCancel
        failure = error
        end()
        notify?(error)
    }
}
