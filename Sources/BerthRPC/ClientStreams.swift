// SPDX-License-Identifier: Apache-2.0

internal import BerthWire
internal import NIOCore

/// The calls of one client connection, and what each frame means for them. It only decides; `ClientCore` acts.
/// `Call` is what the connection keeps of a call.
struct ClientStreams<Call> {
    enum Decision {
        /// The answer of a unary call, which is removed.
        case answer(Call)
        /// The Response that ends a stream, which is removed.
        case end(Call)
        /// A message of a stream.
        case message(Call)
        /// A message and the end of its stream, which is removed.
        case lastMessage(Call)
        /// The end of a stream without an error; the stream is removed.
        case finished(Call)
        /// A frame for a call that was abandoned.
        case ignore
        /// The peer has violated the protocol, so nothing it sends from now on can be trusted.
        case violation(String)
    }

    private struct Stream {
        /// nil if the call was abandoned; the peer may still send.
        var call: Call?
        var isStreaming: Bool
        var deadline: NIODeadline?
    }

    private let maxCalls: Int
    private let maxPendingBytes: Int
    private var streams: [UInt32: Stream] = [:]
    var lastID: UInt32

    /// - Parameters:
    ///   - maxPendingBytes: maximum bytes of requests that the peer has not read.
    ///   - lastID: the id before the first one to assign.
    init(maxCalls: Int, maxPendingBytes: Int = .max, lastID: UInt32 = .max) {
        self.maxCalls = maxCalls
        self.maxPendingBytes = maxPendingBytes
        self.lastID = lastID
    }

    /// Number of calls that the peer has not ended.
    var count: Int { streams.count }

    /// The calls that the peer has not ended, by id.
    var carried: [CarriedLink.Call] {
        streams.sorted { $0.key < $1.key }.map { CarriedLink.Call(id: $0.key, isStreaming: $0.value.isStreaming) }
    }

    /// Goes on where another connection was: its calls are abandoned, until `goOn`.
    mutating func goOn(_ carried: CarriedLink) {
        lastID = carried.lastID
        for call in carried.calls { streams[call.id] = Stream(call: nil, isStreaming: call.isStreaming) }
    }

    /// Goes on with a stream. Returns false if the peer has no such stream open.
    mutating func goOn(_ id: UInt32, _ call: Call) -> Bool {
        guard streams[id]?.isStreaming == true else { return false }
        streams[id]?.call = call
        return true
    }

    /// Assigns the id of a new call: odd, and not in use, even after ids have wrapped around.
    /// - Parameters:
    ///   - size: bytes of its request.
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

    /// Abandons the call. Returns it, unless it has ended.
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

    /// The connection is closed: removes all calls, and returns those not abandoned, by id.
    mutating func closed() -> [Call] {
        defer { streams = [:] }
        return streams.sorted { $0.key < $1.key }.compactMap(\.value.call)
    }
}
