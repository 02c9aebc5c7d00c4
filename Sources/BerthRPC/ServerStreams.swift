// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import BerthWire
internal import NIOCore

/// The calls of one server connection, and what each frame means for them. It only decides; the connection acts. `Call` is
/// what the connection keeps of a call.
///
/// A Response always ends its stream, so refusing a frame on the id of a running call ends that call.
struct ServerStreams<Call> {
    enum Decision {
        /// A request to decode and serve; the connection then calls `opened`.
        case open(streaming: Bool)
        /// Answer with the error; nothing runs on that id.
        case refuse(RPCError)
        /// Answer with the error and cancel the call, which is removed already.
        case abort(Call, RPCError)
        case ignore
    }

    private struct Stream {
        var call: Call
        var isStreaming: Bool
        var deadline: NIODeadline?
    }

    private let maxCalls: Int
    private var streams: [UInt32: Stream] = [:]

    init(maxCalls: Int) {
        self.maxCalls = maxCalls
    }

    var count: Int { streams.count }

    func call(_ id: UInt32) -> Call? { streams[id]?.call }

    /// In the order of their ids.
    var all: [Call] { streams.sorted { $0.key < $1.key }.map(\.value.call) }

    mutating func received(_ header: FrameHeader) -> Decision {
        let id = header.streamID
        guard id % 2 == 1 else {
            return .refuse(RPCError(.invalidArgument, "stream id \(id) is not odd, as ids of clients are"))
        }
        switch header.type {
        case .request:
            guard streams[id] == nil else { return end(id, .invalidArgument, "stream \(id) is open already") }
            guard streams.count < maxCalls else {
                return .refuse(
                    RPCError(
                        .resourceExhausted,
                        "\(streams.count) calls are open on this connection, the limit; end some, or use another one",
                        .clientLimit))
            }
            return .open(streaming: !header.flags.isDisjoint(with: [.remoteClosed, .remoteOpen]))
        case .data:
            guard let stream = streams[id] else {
                return .refuse(RPCError(.invalidArgument, "data on stream \(id), which is not open"))
            }
            guard stream.isStreaming else {
                return end(id, .invalidArgument, "data on stream \(id), which is a unary call")
            }
            // No call takes more than its request, so that the client closes its side changes nothing.
            return .ignore
        default:
            return .ignore
        }
    }

    /// A frame whose data is too long.
    mutating func receivedOversized(_ header: FrameHeader, limit: Int) -> Decision {
        end(
            header.streamID, .resourceExhausted, "a frame of \(header.length) bytes of data, the limit is \(limit)",
            .messageTooLarge)
    }

    /// A frame for which there is no memory.
    mutating func receivedTooLarge(_ header: FrameHeader, _ error: RPCError) -> Decision {
        end(header.streamID, error)
    }

    mutating func opened(_ id: UInt32, _ call: Call, streaming: Bool, deadline: NIODeadline?) {
        streams[id] = Stream(call: call, isStreaming: streaming, deadline: deadline)
    }

    /// The call with that id has ended.
    mutating func ended(_ id: UInt32) { streams[id] = nil }

    /// The earliest deadline of all calls.
    var nextDeadline: NIODeadline? { streams.values.lazy.compactMap(\.deadline).min() }

    /// Removes the calls whose deadline is not after `now`, and returns them by id.
    mutating func expire(_ now: NIODeadline) -> [(id: UInt32, call: Call)] {
        let late = streams.filter { $0.value.deadline.map { $0 <= now } ?? false }
        for id in late.keys { streams[id] = nil }
        return late.map { ($0.key, $0.value.call) }.sorted { $0.0 < $1.0 }
    }

    /// The connection is closed: removes all calls and returns them by id.
    mutating func closed() -> [Call] {
        defer { streams = [:] }
        return all
    }

    private mutating func end(_ id: UInt32, _ code: RPCError.Code, _ message: String, _ reason: ErrorReason? = nil)
        -> Decision
    {
        end(id, RPCError(code, message, reason))
    }

    private mutating func end(_ id: UInt32, _ error: RPCError) -> Decision {
        guard let stream = streams.removeValue(forKey: id) else { return .refuse(error) }
        return .abort(stream.call, error)
    }
}
