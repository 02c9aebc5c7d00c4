// SPDX-License-Identifier: Apache-2.0

package import BerthSchema
internal import BerthWire
package import NIOCore

/// One call that a client made. Confined to the event loop of its connection.
///
/// Whatever is asked of a call that has ended does nothing: a deadline may end it at any time.
package final class ServerCall {
    package let connection: ServerConnection
    package let streamID: UInt32
    /// The service's full name, e.g. `berth.v1.Pool`.
    package let service: String
    package let method: String
    package let metadata: [KeyValue]
    /// Whether the client awaits a stream of messages rather than one answer.
    package let isServerStreaming: Bool
    /// When the call is answered DEADLINE_EXCEEDED, if it has not ended by then.
    package let deadline: NIODeadline?
    /// Bytes of the encoded request message, also after it was let go of.
    package let requestBytes: Int
    /// The encoded request message.
    private(set) var payloadBuffer: ByteBuffer
    /// A stream's request is read again after `serve` has returned. That of a unary call is taken to be held until its end,
    /// encoded or decoded.
    package var keepsPayload = false
    /// Counted for it in the budget.
    var heldBytes = 0

    package internal(set) var isEnded = false

    /// Called when the call ends without the service ending it, at most once and never after it ended: its deadline passed
    /// (DEADLINE_EXCEEDED), its connection closed (CANCELLED), or the client broke the rules on its stream
    /// (INVALID_ARGUMENT, RESOURCE_EXHAUSTED). What can be answered is answered already.
    package var onCancel: ((RPCError) -> Void)? {
        didSet { if isEnded, onCancel != nil { onCancel = nil } }
    }

    /// Called each time that there is room again after `isWritable` was false.
    package var onWritable: (() -> Void)? {
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

    /// The encoded request message.
    package var payload: [UInt8] { [UInt8](payloadBuffer.readableBytesView) }

    /// The request message.
    /// - Throws: INVALID_ARGUMENT with what was wrong; RESOURCE_EXHAUSTED when there is no memory for a large one.
    package func decode<M: Message>(_: M.Type) throws(RPCError) -> M {
        if payloadBuffer.readableBytes > connection.limits.largeFrame { try admitDecoding(M.self) }
        let result = payloadBuffer.withUnsafeReadableBytes { bytes in
            Result { () throws(SchemaError) in try M(decoding: bytes, arena: connection.arena) }
        }
        switch result {
        case .success(let message): return message
        case .failure(let error): throw RPCError(.invalidArgument, error.description)
        }
    }

    /// What is decoded lives for a moment, and so does what is made of it: until the event loop has come round. It counts for
    /// so long, since few bytes can become many.
    private func admitDecoding<M: Message>(_: M.Type) throws(RPCError) {
        let bytes = payloadBuffer.withUnsafeReadableBytes { M.memory(decoding: $0) }
        let account = connection.memory
        guard account.reserve(bytes, sixteenths: HeldMemory.part(for: bytes)) else { throw account.refusal(of: bytes) }
        connection.eventLoop.execute { account.give(bytes) }
    }

    /// Whether a stream should send now: there is room in its queue and on its connection. What is sent regardless waits in
    /// the server's memory, up to a limit at which the call fails.
    package var isWritable: Bool { connection.hasRoom(for: self) }

    /// Ends a unary call with its answer.
    package func respond(_ message: some Message) {
        connection.respond(self, message)
    }

    /// Sends one message of a stream.
    package func send(_ message: some Message) {
        connection.send(self, message)
    }

    /// Sends one message of a stream that is encoded already: `headSize` bytes, which `head` writes, and then `tail`, whose
    /// bytes are not copied when they are many and the client keeps up.
    package func send(headSize: Int = 0, _ head: (UnsafeMutableRawBufferPointer) -> Void = { _ in }, tail: ByteBuffer) {
        connection.send(self, headSize: headSize, head, tail: tail)
    }

    /// Ends a stream well.
    package func finish() {
        connection.finish(self)
    }

    /// Ends the call, unary or stream, with an error.
    package func fail(_ error: RPCError) {
        connection.fail(self, error)
    }

    /// The call goes on after `serve` has returned: lets go of what is not needed any more, and of the larger memory that
    /// the rest may be a slice of.
    /// - Returns: bytes that are held for its request.
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

    /// Lets go of a request that was kept, and of what was counted for it.
    package func dropPayload() {
        keepsPayload = false
        payloadBuffer = ByteBuffer()
        guard heldBytes > HeldMemory.ofCall else { return }
        connection.memory.give(heldBytes - HeldMemory.ofCall)
        heldBytes = HeldMemory.ofCall
    }

    /// Marks the call as ended and lets go of what it holds.
    func end() {
        if heldBytes > 0 {
            connection.memory.give(heldBytes)
            heldBytes = 0
        }
        isEnded = true
        onCancel = nil
        onWritable = nil
    }

    /// Ends the call from outside of the service.
    func cancel(_ error: RPCError) {
        guard !isEnded else { return }
        let notify = onCancel
        end()
        notify?(error)
    }
}
