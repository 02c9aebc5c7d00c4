// SPDX-License-Identifier: Apache-2.0

package import BerthWire
package import NIOCore

/// Splits what a channel reads into frames. It holds at most one incomplete frame, and what arrived in the same read.
package struct FrameReader {
    package enum Item: Equatable {
        case frame(FrameHeader, ByteBuffer)
        /// A frame that is too long: its data is dropped as it arrives.
        case oversized(FrameHeader)
        /// A frame longer than `asksAbove` that is incomplete. Call `admit` or `skip`, then continue.
        case large(FrameHeader)
    }

    private var decoder: FrameDecoder
    /// Incomplete frames with more bytes than this are reported as `large` before they are gathered.
    private let asksAbove: Int
    private var isAdmitted = false
    /// The bytes in which the next frame begins.
    private var unread = ByteBuffer()
    /// Whether `unread` was allocated here, and not by the channel, which may still share it.
    private var isOwn = false
    /// What was read after `unread`. Only as much of it is copied there as completes the frame that begins in `unread`.
    /// Frames that arrive in one read are never copied.
    private var following = ByteBuffer()

    package init(maxDataLength: Int, asksAbove: Int = .max) {
        self.asksAbove = asksAbove
        decoder = FrameDecoder(maxDataLength: maxDataLength)
    }

    /// What was appended and not yet taken, for another reader that goes on.
    var carried: CarriedInput {
        var all = unread
        all.writeImmutableBuffer(following)
        return CarriedInput(unread: CarriedBytes(all), skipping: decoder.skipping)
    }

    /// Goes on where another reader was. Call it before anything is appended.
    mutating func goOn(_ carried: CarriedInput) {
        decoder = FrameDecoder(maxDataLength: decoder.maxDataLength, skipping: carried.skipping)
        append(carried.unread.buffer)
    }

    /// Bytes that were appended and not yet taken.
    var unreadBytes: Int { unread.readableBytes + following.readableBytes }

    /// Bytes of memory allocated for what was not taken.
    var capacity: Int { unread.storageCapacity + following.storageCapacity }

    package mutating func append(_ bytes: ByteBuffer) {
        if unread.readableBytes == 0, following.readableBytes == 0 {
            unread = bytes
            isOwn = false
        } else if following.readableBytes == 0 {
            following = bytes
        } else {
            // Nobody took the previous bytes: parsing is paused.
            following.writeImmutableBuffer(bytes)
        }
    }

    /// The next whole frame, nil until more is appended.
    package mutating func next() -> Item? {
        while true {
            if unread.readableBytes == 0 {
                guard following.readableBytes > 0 else { return nil }
                (unread, following) = (following, ByteBuffer())
                isOwn = false
            }
            var decoder = decoder
            let step = unread.withUnsafeReadableBytes { decoder.next($0) }
            self.decoder = decoder
            switch step {
            case .needMore(let total) where total > asksAbove && !isAdmitted:
                return .large(unread.withUnsafeReadableBytes { FrameHeader(decoding: $0) })
            case .needMore(let total):
                guard following.readableBytes > 0 else {
                    // Frees the channel's buffer, of which this is only the end, for the next read.
                    keepOwn(total)
                    return nil
                }
                move(total)
            case .skip(let count):
                take(count)
            case .oversized(let header, let count):
                take(count)
                return .oversized(header)
            case .frame(let header, let data):
                let slice = unread.getSlice(at: unread.readerIndex + data.lowerBound, length: data.count)
                take(data.upperBound)
                isAdmitted = false
                return .frame(header, slice ?? ByteBuffer())
            }
        }
    }

    /// Accepts the large frame that was reported: it is gathered.
    mutating func admit() { isAdmitted = true }

    /// Skips the large frame that was reported: its data is dropped as it arrives.
    mutating func skip(_ header: FrameHeader) {
        take(decoder.skip(header, readable: unread.readableBytes))
    }

    /// Makes `unread` a buffer of its own, in which `total` bytes will gather. It allocates a small multiple of what has
    /// arrived, not what the peer announces, since a peer may announce 4 MiB on each of its connections.
    private mutating func keepOwn(_ total: Int) {
        guard !isOwn else { return }
        var own = ByteBuffer()
        own.reserveCapacity(min(total, unread.readableBytes * 4))
        own.writeImmutableBuffer(unread)
        unread = own
        isOwn = true
    }

    /// Moves bytes to `unread` until it has `total`, or as many as there are.
    private mutating func move(_ total: Int) {
        keepOwn(total)
        let count = min(total - unread.readableBytes, following.readableBytes)
        guard var piece = following.readSlice(length: count) else { return }
        unread.writeBuffer(&piece)
        if following.readableBytes == 0 { following = ByteBuffer() }
    }

    private mutating func take(_ count: Int) {
        unread.moveReaderIndex(forwardBy: count)
        // Without this reference, the channel can read into the same memory again.
        if unread.readableBytes == 0 { unread = ByteBuffer() }
    }
}
