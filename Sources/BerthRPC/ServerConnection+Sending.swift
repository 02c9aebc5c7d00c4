// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import BerthWire
internal import NIOCore

/// Sends what calls produce, as `SendingPolicy` decides: a stream's messages go out directly while there is room, else they
/// wait in its queue.
extension ServerConnection {
    func respond(_ call: ServerCall, _ message: some Message) {
        guard !call.isEnded else { return }
        let error = message.encode(arena: arena) { payloadSize, pack -> RPCError? in
            let head = ResponseHead()
            let size = head.size(payloadSize: payloadSize)
            guard size <= FrameHeader.maxDataLength else { return .tooLarge("the answer", size) }
            leave(call)
            emit(.response, [], call.streamID, size) { room in head.write(payloadSize: payloadSize, into: room, pack) }
            return nil
        }
        if let error { fail(call, error) }
    }

    func send(_ call: ServerCall, _ message: some Message) {
        guard mayStream(call) else { return }
        let error = message.encode(arena: arena) { size, pack -> RPCError? in
            if let error = sending.refusal(call.streamID, size) { return error }
            emit(.data, [], call.streamID, size, pack)
            return nil
        }
        if let error { abort(call, error) }
    }

    func send(
        _ call: ServerCall, headSize: Int, _ head: (UnsafeMutableRawBufferPointer) -> Void, tail: ByteBuffer
    ) {
        guard mayStream(call) else { return }
        let size = headSize + tail.readableBytes
        if let error = sending.refusal(call.streamID, size) { return abort(call, error) }
        guard !sending.mustQueue(.data, call.streamID, pending: output.pendingBytes) else {
            return emit(.data, [], call.streamID, size) { room in
                head(room)
                tail.withUnsafeReadableBytes { bytes in
                    UnsafeMutableRawBufferPointer(rebasing: room[headSize...]).copyMemory(from: bytes)
                }
            }
        }
        output.append(.data, [], streamID: call.streamID, headSize: headSize, head, tail: tail)
        update()
    }

    /// Whether the call may send messages of a stream. A unary call fails if it tries.
    private func mayStream(_ call: ServerCall) -> Bool {
        guard !call.isEnded, !call.isServerStreaming else { return !call.isEnded }
        fail(
            call,
            RPCError(
                .invalidArgument,
                "\(call.service)/\(call.method) answers with a stream, and was called as a unary method"))
        return false
    }

    func finish(_ call: ServerCall) {
        guard !call.isEnded else { return }
        guard call.isServerStreaming else {
            return fail(call, RPCError(.internal, "\(call.service)/\(call.method) ended without an answer"))
        }
        leave(call)
        emit(.data, [.remoteClosed, .noData], call.streamID, 0) { _ in }
    }

    func fail(_ call: ServerCall, _ error: RPCError) {
        guard !call.isEnded else { return }
        call.failure = error
        leave(call)
        answer(call.streamID, error)
    }

    /// Answers with an error, even if there is no call with that id.
    func answer(_ id: UInt32, _ error: RPCError) {
        let head = ResponseHead(status: error.boundedStatus)
        emit(.response, [], id, head.size(payloadSize: 0)) { room in head.write(payloadSize: 0, into: room) { _ in } }
    }

    func hasRoom(for call: ServerCall) -> Bool {
        isOpen && !isFrozen && !call.isEnded && sending.hasRoom(call.streamID)
    }

    /// Called after a write: moves frames from the queues to the output, and tells waiting streams that there is room.
    func settle() {
        while var frame = sending.nextFrame(pending: output.pendingBytes) { output.append(&frame) }
        update()
        switch sending.tell() {
        case .none: break
        case .nextTurn: eventLoop.assumeIsolated().execute { self.tellOfRoom() }
        case .afterOthers: eventLoop.assumeIsolated().scheduleTask(in: .microseconds(10)) { self.tellOfRoom() }
        }
    }

    func tellOfRoom() {
        sending.beginRound()
        while let id = sending.nextInRound() {
            guard let call = streams.call(id), call.isWritable else { continue }
            call.onWritable?()
        }
    }

    // MARK: -

    /// Fails a call; the service learns of it by `onCancel`.
    func abort(_ call: ServerCall, _ error: RPCError) {
        forget(call)
        answer(call.streamID, error)
        call.cancel(error)
    }

    private func leave(_ call: ServerCall) {
        forget(call)
        call.end()
    }

    private func forget(_ call: ServerCall) {
        streams.ended(call.streamID)
        sending.ended(call.streamID)
    }

    private func emit(
        _ type: FrameType, _ flags: FrameFlags, _ id: UInt32, _ size: Int,
        _ body: (UnsafeMutableRawBufferPointer) -> Void
    ) {
        if sending.mustQueue(type, id, pending: output.pendingBytes) {
            sending.queue(type, flags, streamID: id, size: size, body)
        } else {
            output.append(type, flags, streamID: id, size: size, body)
        }
        update()
    }

    private func update() {
        let waiting = sending.waiting(pending: output.pendingBytes)
        held.output(waiting)
        sending.update(waiting: waiting, isMemoryFull: memory.isFull)
    }
}

extension RPCError {
    static func tooLarge(_ what: String, _ size: Int) -> RPCError {
        RPCError(
            .resourceExhausted, "\(what) has \(size) bytes, the limit is \(FrameHeader.maxDataLength)", .messageTooLarge
        )
    }

    /// The status, cut so that it fits into a frame.
    var boundedStatus: Status {
        let limit = 64 << 10
        guard message.utf8.count > limit else { return status }
        var bounded = status
        bounded.message = String(message.prefix(limit / 4)) + "…"
        return bounded
    }
}
