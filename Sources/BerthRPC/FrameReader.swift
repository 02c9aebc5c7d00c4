// SPDX-License-Identifier: Apache-2.0

package import BerthWire
package import NIOCore

/// The frames in what a channel reads. Holds at most one frame that is not whole yet, and what came in the same read.
package struct FrameReader {
    package enum Item: Equatable {
        case frame(FrameHeader, ByteBuffer)
        /// Its data is dropped as it comes.
        case oversized(FrameHeader)
        /// A large one that has not come whole; asked for by `asksAbove`. Either `admit` or `skip` it, then go on.
        case large(FrameHeader)
    }

    private var decoder: FrameDecoder
    /// Frames that have more bytes than this and have yet to come are asked about before they are gathered.
    private let asksAbove: Int
    private var isAdmitted = false
    /// What the next step is looked for in.
    private var unread = ByteBuffer()
    /// Whether `unread` was made here, rather than by the channel, which may still share it.
    private var isOwn = false
    /// What was read after `unread`: only so much of it is moved there, which is a copy, as the frame needs that began in
    /// `unread`. Frames that lie in one read as a whole are never copied.
    private var following = ByteBuffer()

    package init(maxDataLength: Int, asksAbove: Int = .max) {
        self.asksAbove = asksAbove
        decoder = FrameDecoder(maxDataLength: maxDataLength)
    }

    /// Bytes that were appended and not yet taken.
    var unreadBytes: Int { unread.readableBytes + following.readableBytes }

    /// Bytes of memory that are held for what was not taken.
    var capacity: Int { unread.storageCapacity + following.storageCapacity }

    package mutating func append(_ bytes: ByteBuffer) {
        if unread.readableBytes == 0, following.readableBytes == 0 {
            unread = bytes
            isOwn = false
        } else if following.readableBytes == 0 {
            following = bytes
        } else {
            // Nobody took what there was: the connection does not parse now.
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
                    // The channel's buffer, of which this is only the end, is free to be read into again.
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

    /// The large frame that was asked about is to be gathered.
    mutating func admit() { isAdmitted = true }

    /// The large frame that was asked about is to be dropped as it comes.
    mutating func skip(_ header: FrameHeader) {
        take(decoder.skip(header, readable: unread.readableBytes))
    }

    /// Makes `unread` a buffer of its own, in which `total` bytes are to gather. Room is made for a few times what has come,
    /// not for what a peer announces: it may announce 4 MiB on each of its connections.
    private mutating func keepOwn(_ total: Int) {
        guard !isOwn else { return }
        var own = ByteBuffer()
        own.reserveCapacity(min(total, unread.readableBytes * 4))
        own.writeImmutableBuffer(unread)
        unread = own
        isOwn = true
    }

    /// Moves what `unread` lacks of `total` bytes to it, or as much as there is.
    private mutating func move(_ total: Int) {
        keepOwn(total)
        let count = min(total - unread.readableBytes, following.readableBytes)
        guard var piece = following.readSlice(length: count) else { return }
        unread.writeBuffer(&piece)
        if following.readableBytes == 0 { following = ByteBuffer() }
    }

    private mutating func take(_ count: Int) {
        unread.moveReaderIndex(forwardBy: count)
        // Not holding on to it lets the channel read into the same memory again.
        if unread.readableBytes == 0 { unread = ByteBuffer() }
    }
}
