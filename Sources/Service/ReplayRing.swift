// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import NIOCore

/// The latest bytes of one output stream, for watchers that are behind or come late.
///
/// Large pieces are kept as slices of the buffer that was read, as long as they are most of it. Others are copied, small ones
/// together, since a few bytes must not keep a whole buffer alive.
struct ReplayRing: Codable {
    struct Segment {
        /// The offset of its first byte in the stream.
        var offset: UInt64
        var data: ByteBuffer
        /// The order of the pieces of all streams of an execution.
        var sequence: UInt64
        /// Whether small pieces may be added to it.
        var isPacked: Bool

        var end: UInt64 { offset + UInt64(data.readableBytes) }
    }

    /// Maximum size of packed segments.
    private static let packSize = 16 << 10
    /// Pieces of one buffer that follow each other are copied if they are less than one `minUse`th of it.
    private static let minUse = 2
    /// The first of them may be a smaller part if it is large, since it is not known how many follow.
    private static let minFirst = 4

    /// Pieces of at least this size are not joined with others, since copying them would cost more than an event.
    private static let joinedBelow = 4096

    /// The shared empty buffer until the first piece comes: most executions have no events, many have no output.
    private var segments = noSegments
    private static let noSegments = CircularBuffer<Segment>(initialCapacity: 0)
    /// The offset of the next byte.
    private(set) var end: UInt64 = 0
    /// How many of the last segments are slices of one buffer, and their bytes.
    private var run = (count: 0, bytes: 0)

    /// The offset of the first byte that is held.
    var start: UInt64 { segments.first?.offset ?? end }
    var count: Int { Int(end - start) }

    init() {}

    private struct CarriedSegment: Codable {
        var offset: UInt64
        var data: CarriedBytes
        var sequence: UInt64
    }

    private enum CodingKeys: CodingKey {
        case segments, end
    }

    func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        let carried = segments.map {
            CarriedSegment(offset: $0.offset, data: CarriedBytes($0.data), sequence: $0.sequence)
        }
        try values.encode(carried, forKey: .segments)
        try values.encode(end, forKey: .end)
    }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        var next: UInt64?
        end = try values.decode(UInt64.self, forKey: .end)
        for segment in try values.decode([CarriedSegment].self, forKey: .segments) {
            let data = segment.data.buffer
            guard data.readableBytes > 0, segment.offset == next ?? segment.offset else { next = nil; break }
            next = segment.offset + UInt64(data.readableBytes)
            segments.append(Segment(offset: segment.offset, data: data, sequence: segment.sequence, isPacked: false))
        }
        guard segments.isEmpty || next == end else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "output with a gap, or without its end"))
        }
    }

    mutating func append(_ data: ByteBuffer, sequence: UInt64) {
        let count = data.readableBytes
        defer { end += UInt64(count) }
        let isLarge = count >= ReplayRing.joinedBelow
        let goesOn = isLarge && run.count > 0 && segments.last.map { $0.data.sharesMemory(with: data) } ?? false
        if !goesOn { endRun() }
        if goesOn || count * (isLarge ? ReplayRing.minFirst : ReplayRing.minUse) >= data.storageCapacity {
            run = (run.count + 1, run.bytes + count)
            return segments.append(Segment(offset: end, data: data, sequence: sequence, isPacked: false))
        }
        if let last = segments.indices.last, segments[last].isPacked,
            segments[last].data.readableBytes + count <= ReplayRing.packSize
        {
            segments[last].data.writeImmutableBuffer(data)
        } else {
            // A copy, not a slice.
            segments.append(
                Segment(
                    offset: end, data: ByteBuffer(bytes: data.readableBytesView), sequence: sequence, isPacked: true))
        }
    }

    /// No more of the buffer of the last pieces comes: copies them, if they are not most of it.
    private mutating func endRun() {
        defer { run = (0, 0) }
        guard run.count > 0, let last = segments.last, run.bytes * ReplayRing.minUse < last.data.storageCapacity else {
            return
        }
        for back in 1...run.count where back <= segments.count {
            let index = segments.index(segments.endIndex, offsetBy: -back)
            segments[index].data = ByteBuffer(bytes: segments[index].data.readableBytesView)
        }
    }

    /// Keeps the next piece from being added to the last segment, since something of another stream comes between them.
    mutating func endPiece() {
        endRun()
        if let last = segments.indices.last { segments[last].isPacked = false }
    }

    /// Appends bytes that are only returned as a whole.
    mutating func appendWhole(_ bytes: [UInt8], sequence: UInt64) {
        endRun()
        segments.append(
            Segment(offset: end, data: ByteBuffer(bytes: bytes), sequence: sequence, isPacked: false))
        end += UInt64(bytes.count)
    }

    /// Whether a piece begins at `offset`, or the next one will. The offset must be at least `start`.
    func hasBoundary(at offset: UInt64) -> Bool {
        index(of: offset).map { segments[$0].offset == offset } ?? (offset == end)
    }

    /// Drops segments that end at or before `offset`.
    mutating func discard(before offset: UInt64) {
        while let first = segments.first, first.end <= offset { segments.removeFirst() }
    }

    /// Copies the bytes out of the larger buffers that they keep alive.
    mutating func compact() {
        run = (0, 0)
        guard segments.contains(where: { !$0.isPacked }) else { return }
        segments = CircularBuffer(
            segments.map { segment in
                var own = segment
                if !segment.isPacked { own.data = ByteBuffer(bytes: segment.data.readableBytesView) }
                return own
            })
    }

    /// The sequence of the segment at `offset`; nil at the end. The offset must be at least `start`.
    func sequence(at offset: UInt64) -> UInt64? {
        index(of: offset).map { segments[$0].sequence }
    }

    /// The bytes from `offset` to the end of its segment; empty at the end. The offset must be at least `start`.
    func slice(at offset: UInt64, upTo limit: Int) -> ByteBuffer {
        guard let index = index(of: offset) else { return ByteBuffer() }
        let segment = segments[index]
        let skipped = Int(offset - segment.offset)
        let length = min(limit, segment.data.readableBytes - skipped)
        guard let data = segment.data.getSlice(at: segment.data.readerIndex + skipped, length: length) else {
            preconditionFailure("a segment without its bytes")
        }
        return data
    }

    /// The same as `slice`, but successive small pieces are joined into a new buffer.
    /// - Parameter sequence: pieces from this one on come after a piece of another stream, and are not joined.
    func joined(at offset: UInt64, upTo limit: Int, before sequence: UInt64?) -> ByteBuffer {
        let first = slice(at: offset, upTo: limit)
        guard first.readableBytes < min(limit, ReplayRing.joinedBelow), var index = index(of: offset) else {
            return first
        }
        var joined = ByteBuffer()
        segments.formIndex(after: &index)
        while index < segments.endIndex, joined.readableBytes < limit, segments[index].sequence < sequence ?? .max {
            if joined.readableBytes == 0 {
                let left = Int(min(UInt64(limit), end - offset))
                joined.reserveCapacity(left)
                joined.writeImmutableBuffer(first)
            }
            let data = segments[index].data
            let count = min(data.readableBytes, limit - joined.readableBytes)
            joined.writeBytes(data.readableBytesView.prefix(count))
            segments.formIndex(after: &index)
        }
        return joined.readableBytes > 0 ? joined : first
    }

    /// The segment that holds `offset`, which is mostly the last one.
    private func index(of offset: UInt64) -> CircularBuffer<Segment>.Index? {
        precondition(offset >= start, "offset \(offset) is not held, \(start) is the first")
        guard offset < end, let last = segments.indices.last else { return nil }
        if segments[last].offset <= offset { return last }
        var low = 0
        var high = segments.count - 1
        while low < high {
            let middle = (low + high + 1) / 2
            let index = segments.index(segments.startIndex, offsetBy: middle)
            if segments[index].offset <= offset { low = middle } else { high = middle - 1 }
        }
        return segments.index(segments.startIndex, offsetBy: low)
    }
}

extension ByteBuffer {
    fileprivate func sharesMemory(with other: ByteBuffer) -> Bool {
        withUnsafeReadableBytesWithStorageManagement { _, mine in
            other.withUnsafeReadableBytesWithStorageManagement { _, its in mine.toOpaque() == its.toOpaque() }
        }
    }
}
