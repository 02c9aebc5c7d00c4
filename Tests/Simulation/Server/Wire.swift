// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
package import NIOCore
package import NIOEmbedded
internal import SimulationModel

/// A simulated connection: two channels, and bytes that take their time from one to the other. Bytes of one direction never
/// overtake each other; they may be split anywhere, wait, and be lost with the connection.
package final class Wire {
    package let near: WireEnd
    package let far: WireEnd
    private let world: World
    private let number: Int
    /// How the bytes of this connection travel.
    package var delay: (least: TimeAmount, most: TimeAmount) = (.microseconds(20), .milliseconds(2))
    /// Probability that what arrives is split.
    package var splits = 0.2
    package private(set) var isCut = false
    /// Nothing arrives before this time.
    package private(set) var stalledUntil = NIODeadline.uptimeNanoseconds(0)

    /// - Parameters:
    ///   - capacity: bytes that a direction holds between its writer and its reader.
    ///   - peer: the address of the near end, as the far end sees it.
    package init(_ world: World, number: Int, capacity: Int, peer: String) throws {
        self.world = world
        self.number = number
        near = WireEnd(capacity: capacity)
        far = WireEnd(capacity: capacity)
        for (end, other) in [(near, far), (far, near)] {
            end.other = other
            end.wire = self
            end.channel = EmbeddedChannel(handler: end, loop: world.loop)
        }
        let address = try SocketAddress(ipAddress: peer, port: 1024 + number % 60000)
        for end in [near, far] { end.channel?.connect(to: address, promise: nil) }
    }

    package var isStalled: Bool { stalledUntil > world.now }
    /// Whether all that the far end has written is read, or lost.
    package var isReadByNear: Bool { near.isRead && !far.isWriting }

    /// Nothing arrives for a while, in either direction.
    package func stall(_ time: TimeAmount) {
        world.trace("connection \(number) stalls", 1, UInt64(number))
        stalledUntil = max(stalledUntil, world.now + time)
    }

    /// What is on its way is lost, and both ends learn of it, each at its own time.
    package func cut() {
        guard !isCut else { return }
        isCut = true
        world.trace("connection \(number) is cut", 2, UInt64(number))
        for end in [near, far] {
            end.arriving.removeAll()
            world.after(world.between(.microseconds(10), .milliseconds(500))) { end.close() }
        }
    }

    /// Bytes were taken from a writer.
    fileprivate func send(_ bytes: ByteBuffer, to end: WireEnd) {
        guard !isCut else { return }
        var bytes = bytes
        while bytes.readableBytes > 0 {
            let count =
                world.chance(splits) ? 1 + world.random.below(bytes.readableBytes) : bytes.readableBytes
            guard let piece = bytes.readSlice(length: count) else { return }
            // Bytes of their own: what a socket reads is no slice of what the other side wrote.
            end.arriving.append(ByteBuffer(bytes: piece.readableBytesView))
            schedule(end)
        }
    }

    fileprivate func sendEnd(to end: WireEnd) {
        end.ends = true
        schedule(end)
    }

    /// Each piece has its arrival, none before the one ahead of it.
    private func schedule(_ end: WireEnd) {
        let time = max(world.now + world.between(delay.least, delay.most), end.lastArrival, stalledUntil)
        end.lastArrival = time
        world.loop.scheduleTask(deadline: time) { [self] in
            // A stall that began meanwhile holds it up, and all behind it.
            if stalledUntil > world.now {
                end.lastArrival = max(end.lastArrival, stalledUntil)
                world.loop.scheduleTask(deadline: stalledUntil) { end.arrive() }
            } else {
                end.arrive()
            }
        }
    }

    fileprivate func arrived(_ bytes: ByteBuffer, at end: WireEnd) {
        world.trace(
            "connection \(number): \(bytes.readableBytes) bytes \(end === far ? ">" : "<")", 3, UInt64(number),
            end === far ? 1 : 0, UInt64(bytes.readableBytes), bytes.checksum)
    }

    /// Lets go of what refers to each other.
    package func dispose() {
        for end in [near, far] {
            end.wire = nil
            end.channel = nil
        }
    }

    fileprivate func later(_ body: @escaping () -> Void) { world.loop.execute(body) }
}

/// One end of a wire: the socket at the bottom of a channel's pipeline.
package final class WireEnd: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    package fileprivate(set) var channel: EmbeddedChannel?
    fileprivate weak var other: WireEnd?
    fileprivate var wire: Wire?
    /// Written, and not yet taken by the wire.
    private var waiting = Deque<(bytes: ByteBuffer, promise: EventLoopPromise<Void>?)>()
    private var isFlushed = 0
    /// On their way to this end, in order.
    fileprivate var arriving = Deque<ByteBuffer>()
    fileprivate var ends = false
    fileprivate var lastArrival = NIODeadline.uptimeNanoseconds(0)
    /// Arrived, and not yet read.
    private var arrived = Deque<ByteBuffer>()
    private var hasEnded = false
    private var wantsRead = false
    private let capacity: Int
    /// Bytes between the other end's writer and this end's reader.
    private var held = 0
    /// Bytes that were written to this end, and that were read from it.
    package private(set) var written = 0
    package private(set) var read = 0
    fileprivate var isRead: Bool { held == 0 }
    var isWriting: Bool { !waiting.isEmpty }

    fileprivate init(capacity: Int) {
        self.capacity = capacity
    }

    /// Begins to read, as a channel does that was just opened.
    package func begin() { channel?.pipeline.read() }

    package func close() { channel?.close(promise: nil) }

    // MARK: Reading

    fileprivate func arrive() {
        guard let piece = arriving.popFirst() else {
            if ends { hasEnded = true }
            return deliver()
        }
        arrived.append(piece)
        deliver()
    }

    private func deliver() {
        guard let channel, channel.isActive else { return }
        // A socket whose other side has closed is read to its end, whoever wants to read.
        guard wantsRead || hasEnded else { return }
        guard let bytes = arrived.popFirst() else {
            if hasEnded { close() }
            return
        }
        wantsRead = false
        held -= bytes.readableBytes
        read += bytes.readableBytes
        wire?.arrived(bytes, at: self)
        let pipeline = channel.pipeline
        guard let context = try? pipeline.syncOperations.context(handler: self) else { return }
        context.fireChannelRead(NIOAny(bytes))
        context.fireChannelReadComplete()
        pipeline.read()
        other?.pump()
        if hasEnded { wire?.later { [weak self] in self?.deliver() } }
    }

    package func read(context: ChannelHandlerContext) {
        wantsRead = true
        if !arrived.isEmpty || hasEnded { wire?.later { [weak self] in self?.deliver() } }
    }

    // MARK: Writing

    package func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let bytes = unwrapOutboundIn(data)
        written += bytes.readableBytes
        waiting.append((bytes, promise))
    }

    package func flush(context: ChannelHandlerContext) {
        isFlushed = waiting.count
        pump()
    }

    /// The wire takes what it has room for.
    private func pump() {
        guard let other, let wire else { return }
        while isFlushed > 0 {
            let room = capacity - other.held
            // As a socket, which counts as writable when a good part of it is free.
            guard room >= min(capacity / 4, waiting[0].bytes.readableBytes) else { return }
            guard let piece = waiting[0].bytes.readSlice(length: min(room, waiting[0].bytes.readableBytes)) else {
                return
            }
            other.held += piece.readableBytes
            if piece.readableBytes > 0 { wire.send(piece, to: other) }
            guard waiting[0].bytes.readableBytes == 0 else { return }
            isFlushed -= 1
            waiting.removeFirst().promise?.succeed(())
        }
    }

    package func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        let lost = waiting
        waiting = []
        isFlushed = 0
        for write in lost { write.promise?.fail(ChannelError.ioOnClosedChannel) }
        if let other { wire?.sendEnd(to: other) }
        context.close(mode: mode, promise: promise)
    }
}

extension ByteBuffer {
    /// Of the whole, or of the ends of what is long.
    fileprivate var checksum: UInt64 {
        withUnsafeReadableBytes { bytes in
            var sum = UInt64(bytes.count)
            func add(_ part: Range<Int>) {
                for index in stride(from: part.lowerBound, to: part.upperBound - 7, by: 8) {
                    sum = (sum ^ bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)) &* 0x100_0000_01B3
                    sum ^= sum >> 29
                }
                for index in part.suffix(part.count % 8) { sum = (sum ^ UInt64(bytes[index])) &* 0x100_0000_01B3 }
            }
            guard bytes.count > 512 else {
                add(0..<bytes.count)
                return sum
            }
            add(0..<256)
            add(bytes.count - 256..<bytes.count)
            return sum
        }
    }
}
