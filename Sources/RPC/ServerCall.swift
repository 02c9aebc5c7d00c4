public import NIOCore
public import Schema
internal import Wire

/// One call that a client made. Confined to the event loop of its connection.
///
/// Whatever is asked of a call that has ended does nothing: a deadline may end it at any time.
public final class ServerCall {
    public let connection: ServerConnection
    public let streamID: UInt32
    /// The service's full name, e.g. `berth.v1.Pool`.
    public let service: String
    public let method: String
    public let metadata: [KeyValue]
    /// Whether the client awaits a stream of messages rather than one answer.
    public let isServerStreaming: Bool
    /// When the call is answered DEADLINE_EXCEEDED, if it has not ended by then.
    public let deadline: NIODeadline?
    /// The encoded request message.
    let payloadBuffer: ByteBuffer

    public internal(set) var isEnded = false
    /// The call wants to know when there is room again.
    var isAwaitingRoom = false

    /// Called when the call ends without the service ending it, at most once and never after it ended: its deadline passed
    /// (DEADLINE_EXCEEDED), its connection closed (CANCELLED), or the client broke the rules on its stream
    /// (INVALID_ARGUMENT, RESOURCE_EXHAUSTED). What can be answered is answered already.
    public var onCancel: ((RPCError) -> Void)? {
        didSet { if isEnded, onCancel != nil { onCancel = nil } }
    }

    /// Called each time that there is room again after `isWritable` was false.
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
        self.isServerStreaming = isServerStreaming
        self.deadline = deadline
    }

    /// The encoded request message.
    public var payload: [UInt8] { [UInt8](payloadBuffer.readableBytesView) }

    /// The request message.
    /// - Throws: INVALID_ARGUMENT with what was wrong.
    public func decode<M: Message>(_: M.Type) throws(RPCError) -> M {
        let result = payloadBuffer.withUnsafeReadableBytes { bytes in
            Result { () throws(SchemaError) in try M(decoding: bytes, arena: connection.arena) }
        }
        switch result {
        case .success(let message): return message
        case .failure(let error): throw RPCError(.invalidArgument, error.description)
        }
    }

    /// Whether a stream should send now: there is room in its queue and on its connection. What is sent regardless waits in
    /// the server's memory, up to a limit at which the call fails.
    public var isWritable: Bool { connection.hasRoom(for: self) }

    /// Ends a unary call with its answer.
    public func respond(_ message: some Message) {
        connection.respond(self, message)
    }

    /// Sends one message of a stream.
    public func send(_ message: some Message) {
        connection.send(self, message)
    }

    /// Sends one message of a stream that is encoded already: `headSize` bytes, which `head` writes, and then `tail`, whose
    /// bytes are not copied when they are many and the client keeps up.
    public func send(headSize: Int = 0, _ head: (UnsafeMutableRawBufferPointer) -> Void = { _ in }, tail: ByteBuffer) {
        connection.send(self, headSize: headSize, head, tail: tail)
    }

    /// Ends a stream well.
    public func finish() {
        connection.finish(self)
    }

    /// Ends the call, unary or stream, with an error.
    public func fail(_ error: RPCError) {
        connection.fail(self, error)
    }

    /// Marks the call as ended and lets go of what it holds.
    func end() {
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
