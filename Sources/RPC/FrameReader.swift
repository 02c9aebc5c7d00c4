package import NIOCore
package import Wire

/// The frames in what a channel reads. Holds at most one frame that is not whole yet, and what came in the same read.
package struct FrameReader {
    package enum Item: Equatable {
        case frame(FrameHeader, ByteBuffer)
        /// Its data is dropped as it comes.
        case oversized(FrameHeader)
    }

    private var decoder: FrameDecoder
    private var unread = ByteBuffer()
    /// Whether `unread` was made here, rather than by the channel, which may still share it.
    private var isOwn = false
    /// How many bytes a step needs.
    private var needed = 0

    package init(maxDataLength: Int) {
        decoder = FrameDecoder(maxDataLength: maxDataLength)
    }

    /// Bytes that were appended and not yet taken.
    var unreadBytes: Int { unread.readableBytes }

    package mutating func append(_ bytes: ByteBuffer) {
        guard unread.readableBytes > 0 else {
            unread = bytes
            isOwn = false
            return
        }
        if isOwn {
            unread.discardReadBytes()
        } else {
            // Room is made as bytes come, not as a peer announces them: it may announce 4 MiB on each of its connections.
            var own = ByteBuffer()
            own.reserveCapacity(unread.readableBytes + max(bytes.readableBytes, min(needed, 64 << 10)))
            own.writeImmutableBuffer(unread)
            unread = own
            isOwn = true
        }
        unread.writeImmutableBuffer(bytes)
    }

    /// The next whole frame, nil until more is appended.
    package mutating func next() -> Item? {
        while unread.readableBytes > 0 {
            var decoder = decoder
            let step = unread.withUnsafeReadableBytes { decoder.next($0) }
            self.decoder = decoder
            switch step {
            case .needMore(let total):
                needed = total
                return nil
            case .skip(let count):
                take(count)
            case .oversized(let header, let count):
                take(count)
                return .oversized(header)
            case .frame(let header, let data):
                let slice = unread.getSlice(at: unread.readerIndex + data.lowerBound, length: data.count)
                take(data.upperBound)
                return .frame(header, slice ?? ByteBuffer())
            }
        }
        return nil
    }

    private mutating func take(_ count: Int) {
        unread.moveReaderIndex(forwardBy: count)
        // Not holding on to it lets the channel read into the same memory again.
        if unread.readableBytes == 0 { unread = ByteBuffer() }
    }
}
