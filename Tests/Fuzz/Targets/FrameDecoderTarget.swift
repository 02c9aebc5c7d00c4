// SPDX-License-Identifier: Apache-2.0

import BerthWire

/// The frame decoder: the same bytes must give the same frames, however they are cut.
enum FrameDecoderTarget {
    /// The first two bytes are the limit; the third decides how the rest is cut into pieces.
    static func run(_ input: UnsafeRawBufferPointer) -> String? {
        guard input.count > 3 else { return nil }
        let limit = Int(input[0]) << 8 | Int(input[1])
        let stream = UnsafeRawBufferPointer(rebasing: input[3...])
        do throws(Broken) {
            let whole = try decode(stream, limit: limit, piece: stream.count)
            let pieces = try decode(stream, limit: limit, piece: Int(input[2] % 32) + 1)
            try require(whole == pieces, "the same bytes, cut differently, are different frames")
            return nil
        } catch {
            return error.rule
        }
    }

    /// Decodes, checks the result of every step, and returns what was found as numbers.
    private static func decode(
        _ stream: UnsafeRawBufferPointer, limit: Int, piece: Int
    ) throws(Broken) -> [UInt64] {
        var decoder = FrameDecoder(maxDataLength: limit)
        var found: [UInt64] = []
        var position = 0
        var readable = 0
        while true {
            let bytes = UnsafeRawBufferPointer(rebasing: stream[position..<readable])
            switch decoder.next(bytes) {
            case .needMore(let total):
                try require(total > bytes.count, "more is needed than is there")
                guard readable < stream.count else { return found }
                readable = min(stream.count, readable + piece)
            case .frame(let header, let data):
                try require(
                    data.lowerBound == FrameHeader.size && data.count == Int(header.length)
                        && data.upperBound <= bytes.count && data.count <= limit,
                    "a frame is not where it is said to be")
                found.append(UInt64(header.streamID) << 32 | UInt64(header.length))
                position += data.upperBound
            case .oversized(let header, let count):
                try require(
                    Int(header.length) > limit && count >= FrameHeader.size && count <= bytes.count,
                    "a frame is oversized that is not, or is not there")
                found.append(.max - UInt64(header.length))
                position += count
            case .skip(let count):
                try require(count > 0 && count <= bytes.count, "what is to be skipped is not there")
                position += count
            }
        }
    }
}
