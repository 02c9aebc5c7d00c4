// SPDX-License-Identifier: Apache-2.0

internal import BerthWire
internal import NIOCore

/// The calls of one client connection, and what each frame that comes means to them. Decides, and does nothing.
/// `Call` is whatever the connection keeps of a call.
struct ClientStreams<Call> {
    enum Decision {
        /// The answer of a unary call, which has left.
        case answer(Call)
        /// The Response that ends a stream, which has left.
        case end(Call)
        /// A message of a stream.
        case message(Call)
        /// A message, and the end of its stream, which has left.
        case lastMessage(Call)
        /// The good end of a stream, which has left.
        case finished(Call)
        /// A frame for a call that nobody waits for any more.
        case ignore
        /// The peer breaks the protocol; what it sends from here on cannot be trusted.
        case violation(String)
    }

    private struct Stream {
        /// nil: nobody waits for it any more, but the peer may still send.
        var call: Call?
        var isStreaming: Bool
        var deadline: NIODeadline?
    }

    private let maxCalls: Int
    private let maxPendingBytes: Int
    private var streams: [UInt32: Stream] = [:]
    var lastID: UInt32

    /// - Parameters:
    ///   - maxPendingBytes: requests that the peer has not read.
    ///   - lastID: the id before the first one that is given out.
    init(maxCalls: Int, maxPendingBytes: Int = .max, lastID: UInt32 = .max) {
        self.maxCalls = maxCalls
        self.maxPendingBytes = maxPendingBytes
        self.lastID = lastID
    }

    /// Calls that the peer has not ended.
    var count: Int { streams.count }

    /// The id of a new call: odd, and not in use, however long the connection lives.
    /// - Parameters:
    ///   - size: its request's.
    ///   - pending: bytes of requests that have not been written yet.
    mutating func open(
        _ call: Call, streaming: Bool, deadline: NIODeadline?, size: Int = 0, pending: Int = 0
    ) throws(RPCError) -> UInt32 {
        guard size <= FrameHeader.maxDataLength else { throw .tooLarge("the request", size) }
        guard pending + size <= maxPendingBytes else {
            throw RPCError(.resourceExhausted, "\(pending) bytes wait for the peer to read them")
        }
        guard streams.count < maxCalls else {
            throw RPCError(.resourceExhausted, "\(streams.count) calls wait on this connection, the limit")
        }
        repeat { lastID &+= 2 } while streams[lastID] != nil
        streams[lastID] = Stream(call: call, isStreaming: streaming, deadline: deadline)
        return lastID
    }

    /// Nobody waits for the call any more. Returns it, unless it has ended.
    mutating func abandon(_ id: UInt32) -> Call? {
        guard let call = streams[id]?.call else { return nil }
        streams[id]?.call = nil
        streams[id]?.deadline = nil
        return call
    }

    func call(_ id: UInt32) -> Call? { streams[id]?.call }

    mutating func received(_ header: FrameHeader) -> Decision {
        let id = header.streamID
        guard let stream = streams[id] else {
            return .violation("a frame of type \(header.type.rawValue) for stream \(id), which is not open")
        }
        switch header.type {
        case .response:
            streams[id] = nil
            guard let call = stream.call else { return .ignore }
            return stream.isStreaming ? .end(call) : .answer(call)
        case .data:
            guard stream.isStreaming else { return .violation("a message on stream \(id), which is a unary call") }
            if header.flags.contains(.noData), header.length > 0 {
                return .violation("\(header.length) bytes of data in a frame that says it has none")
            }
            let isLast = header.flags.contains(.remoteClosed)
            if isLast { streams[id] = nil }
            guard let call = stream.call else { return .ignore }
            if header.flags.contains(.noData) { return isLast ? .finished(call) : .ignore }
            return isLast ? .lastMessage(call) : .message(call)
        default:
            return .violation("a frame of type \(header.type.rawValue) on stream \(id)")
        }
    }

    /// The earliest deadline of all calls.
    var nextDeadline: NIODeadline? { streams.values.lazy.compactMap(\.deadline).min() }

    /// Abandons the calls whose deadline is not after `now`, and returns them by id.
    mutating func expire(_ now: NIODeadline) -> [Call] {
        let late = streams.filter { $0.value.deadline.map { $0 <= now } ?? false }.keys.sorted()
        return late.compactMap { abandon($0) }
    }

    /// The connection is gone: removes all calls and returns those that somebody waits for, by id.
    mutating func closed() -> [Call] {
        defer { streams = [:] }
        return streams.sorted { $0.key < $1.key }.compactMap(\.value.call)
    }
}
