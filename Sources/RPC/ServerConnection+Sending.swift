internal import NIOCore
internal import Schema
internal import Wire

/// What calls send. A stream's messages go straight out while there is room, else they wait in its queue.
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
            if let error = refusal(call, size) { return error }
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
        if let error = refusal(call, size) { return abort(call, error) }
        guard !mustWait(.data, call.streamID) else {
            return emit(.data, [], call.streamID, size) { room in
                head(room)
                tail.withUnsafeReadableBytes { bytes in
                    UnsafeMutableRawBufferPointer(rebasing: room[headSize...]).copyMemory(from: bytes)
                }
            }
        }
        output.append(.data, [], streamID: call.streamID, headSize: headSize, head, tail: tail)
        updateFull()
    }

    /// A unary call fails of it.
    private func mayStream(_ call: ServerCall) -> Bool {
        guard !call.isEnded, !call.isServerStreaming else { return !call.isEnded }
        fail(
            call,
            RPCError(
                .invalidArgument,
                "\(call.service)/\(call.method) answers with a stream, and was called as a unary method"))
        return false
    }

    /// Why a message of so many bytes can't be sent.
    private func refusal(_ call: ServerCall, _ size: Int) -> RPCError? {
        guard size <= FrameHeader.maxDataLength else { return .tooLarge("a message of the stream", size) }
        let queued = queues.bytes(of: call.streamID) + size
        guard queued > limits.maxQueuedBytesPerCall else { return nil }
        return RPCError(
            .resourceExhausted,
            "\(queued) bytes wait for the client to read them, the limit is \(limits.maxQueuedBytesPerCall)",
            .memoryLimit)
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
        leave(call)
        answer(call.streamID, error)
    }

    /// Answers with an error, whether there is a call or not.
    func answer(_ id: UInt32, _ error: RPCError) {
        let head = ResponseHead(status: error.boundedStatus)
        emit(.response, [], id, head.size(payloadSize: 0)) { room in head.write(payloadSize: 0, into: room) { _ in } }
    }

    func hasRoom(for call: ServerCall) -> Bool {
        guard !call.isEnded, isWritable else { return awaitRoom(call) }
        return queues.isEmpty || queues.bytes(of: call.streamID) < limits.callHighWatermark || awaitRoom(call)
    }

    /// After anything was written: queues move up, the watermark is looked at, and who waited for room is told.
    func settle() {
        while output.pendingBytes < limits.highWatermark, var frame = queues.takeFrame() { output.append(&frame) }
        updateFull()
        guard !isFull, !awaitingRoom.isEmpty, !isTellingOfRoom else { return }
        isTellingOfRoom = true
        // The event loop does not look at its other channels while it has tasks: a stream whose peer reads as fast as it sends
        // would keep them all waiting. So every few turns it gets the time to look.
        turns &+= 1
        if turns % 4 == 0 {
            eventLoop.assumeIsolated().scheduleTask(in: .microseconds(10)) { self.tellOfRoom() }
        } else {
            eventLoop.assumeIsolated().execute { self.tellOfRoom() }
        }
    }

    private func tellOfRoom() {
        isTellingOfRoom = false
        let line = awaitingRoom
        awaitingRoom = []
        var served = 0
        while served < line.count, !isFull {
            let call = line[served]
            served += 1
            call.isAwaitingRoom = false
            if call.isWritable { call.onWritable?() }
        }
        // Those that had no turn are before those that had one and found the room used up.
        awaitingRoom = line[served...] + awaitingRoom
    }

    // MARK: -

    /// A failure that the service learns of by `onCancel`, as it is in the middle of something else.
    private func abort(_ call: ServerCall, _ error: RPCError) {
        streams.ended(call.streamID)
        answer(call.streamID, error)
        call.cancel(error)
    }

    private func leave(_ call: ServerCall) {
        streams.ended(call.streamID)
        call.end()
    }

    private func emit(
        _ type: FrameType, _ flags: FrameFlags, _ id: UInt32, _ size: Int,
        _ body: (UnsafeMutableRawBufferPointer) -> Void
    ) {
        if mustWait(type, id) {
            queues.append(type, flags, streamID: id, size: size, body)
        } else {
            output.append(type, flags, streamID: id, size: size, body)
        }
        updateFull()
    }

    private func mustWait(_ type: FrameType, _ id: UInt32) -> Bool {
        type == .data
            ? !queues.isEmpty || output.pendingBytes >= limits.highWatermark
            : !queues.isEmpty && queues.bytes(of: id) > 0
    }

    private func updateFull() {
        let waiting = output.pendingBytes + queues.totalBytes
        held.output(waiting)
        let isTight = isFull || (waiting > 0 && memory.isFull)
        isFull = waiting >= (isTight ? limits.lowWatermark : limits.highWatermark)
    }

    /// Always false: there is no room, and the call is told when there is.
    private func awaitRoom(_ call: ServerCall) -> Bool {
        if !call.isAwaitingRoom, !call.isEnded {
            call.isAwaitingRoom = true
            awaitingRoom.append(call)
        }
        return false
    }
}

extension RPCError {
    static func tooLarge(_ what: String, _ size: Int) -> RPCError {
        RPCError(
            .resourceExhausted, "\(what) has \(size) bytes, the limit is \(FrameHeader.maxDataLength)", .messageTooLarge
        )
    }

    /// The status as it fits a frame.
    var boundedStatus: Status {
        let limit = 64 << 10
        guard message.utf8.count > limit else { return status }
        var bounded = status
        bounded.message = String(message.prefix(limit / 4)) + "…"
        return bounded
    }
}
