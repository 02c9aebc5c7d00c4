// SPDX-License-Identifier: Apache-2.0

/// Finds frames in a byte stream. It keeps no bytes and allocates nothing: the caller passes what is readable, carries out
/// the step, and passes the rest.
///
///     while true {
///         switch decoder.next(readable) {
///         case .needMore: return                         // until more bytes have come
///         case .frame(let header, let data): …           // then drop data.upperBound bytes
///         case .oversized(let header, let count): …      // then drop count bytes; told once per frame
///         case .skip(let count): …                       // then drop count bytes
///         }
///     }
public struct FrameDecoder: Sendable, Equatable {
    public enum Step: Sendable, Equatable {
        /// No step is possible before `total` bytes are readable, including those that are.
        case needMore(total: Int)
        /// A whole frame; its data is at `data`, counted from the first readable byte. It takes `data.upperBound` bytes.
        case frame(FrameHeader, data: Range<Int>)
        /// A frame whose header declares more than `maxDataLength`. Reported once per frame, as soon as its header is there.
        /// It takes `count` bytes, which may be the header alone: the rest follows as `skip`.
        case oversized(FrameHeader, count: Int)
        /// `count` bytes, at least one, of the data of an oversized frame.
        case skip(count: Int)
    }

    /// Maximum bytes of data in a frame.
    public let maxDataLength: Int
    /// Bytes of an oversized frame that are still to be skipped.
    private var remainingToSkip = 0

    /// - Parameter skipping: bytes of an oversized frame that another decoder has left to skip.
    public init(maxDataLength: Int = FrameHeader.maxDataLength, skipping: Int = 0) {
        self.maxDataLength = maxDataLength
        remainingToSkip = skipping
    }

    /// Bytes of an oversized frame that are still to be skipped.
    public var skipping: Int { remainingToSkip }

    /// The next step. `readable` begins where the previous step ended; each step but `needMore` must be carried out.
    public mutating func next(_ readable: UnsafeRawBufferPointer) -> Step {
        if remainingToSkip > 0 {
            guard readable.count > 0 else { return .needMore(total: 1) }
            let count = min(remainingToSkip, readable.count)
            remainingToSkip -= count
            return .skip(count: count)
        }
        guard readable.count >= FrameHeader.size else { return .needMore(total: FrameHeader.size) }
        let header = FrameHeader(decoding: readable)
        let total = FrameHeader.size + Int(header.length)
        guard Int(header.length) <= maxDataLength else {
            let count = min(total, readable.count)
            remainingToSkip = total - count
            return .oversized(header, count: count)
        }
        guard readable.count >= total else { return .needMore(total: total) }
        return .frame(header, data: FrameHeader.size..<total)
    }

    /// Skips the frame for which `needMore` was returned, as if it were oversized. Returns how many of the `readable` bytes
    /// that takes; the rest follows as `skip`.
    public mutating func skip(_ header: FrameHeader, readable: Int) -> Int {
        let total = FrameHeader.size + Int(header.length)
        let count = min(total, readable)
        remainingToSkip = total - count
        return count
    }

    /// False in the middle of an oversized frame.
    public var isBetweenFrames: Bool { remainingToSkip == 0 }
}
