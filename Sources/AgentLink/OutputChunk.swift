// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema
public import NIOCore

/// A piece of a program's output.
public struct OutputChunk: Sendable, Equatable {
    /// 0 is stdout, 1 is stderr.
    public var stream: UInt32
    /// Offset of its first byte in its stream.
    public var offset: UInt64
    /// A slice of the received buffer, if it could be read in place.
    public var data: ByteBuffer

    public var count: Int { data.readableBytes }

    init(_ output: Agent.Output) {
        stream = output.stream
        offset = output.offset
        data = ByteBuffer(bytes: output.data)
    }

    /// Reads an event that is a single output; nil for all others, which may be valid too, and are decoded by protobuf-c.
    init?(event: ByteBuffer) {
        var range = 0..<0
        let head = event.withUnsafeReadableBytes { OutputHead(reading: $0, data: &range) }
        guard let head,
            let data = event.getSlice(at: event.readerIndex + range.lowerBound, length: range.count)
        else { return nil }
        stream = head.stream
        offset = head.offset
        self.data = data
    }
}
