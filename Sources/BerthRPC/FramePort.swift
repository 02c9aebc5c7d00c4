// SPDX-License-Identifier: Apache-2.0

internal import BerthWire
internal import NIOCore

/// What both ends of a connection share: incoming frames, outgoing frames, and the channel's context while it is open.
/// Confined to its event loop.
final class FramePort {
    let output: FrameOutput
    private let below: FrameOutput.Below
    private(set) var context: ChannelHandlerContext?
    private var reader: FrameReader
    private var isTaking = false
    /// Whether the channel wanted to read when it was not allowed to.
    private var isReadDue = false

    init(eventLoop: any EventLoop, over below: FrameOutput.Below, maxDataLength: Int, asksAbove: Int = .max) {
        self.below = below
        output = FrameOutput(eventLoop: eventLoop)
        reader = FrameReader(maxDataLength: maxDataLength, asksAbove: asksAbove)
    }

    func opened(_ context: ChannelHandlerContext) {
        self.context = context
        output.attach(context, over: below)
    }

    func closed() {
        context = nil
        output.detach()
    }

    func append(_ bytes: ByteBuffer) {
        output.beginBurst()
        reader.append(bytes)
    }

    func readCompleted() { output.endBurst() }

    /// What has come and was not taken, see `goOn`.
    var carriedInput: CarriedInput { reader.carried }

    /// Goes on where another port was, before anything is appended.
    func goOn(_ carried: CarriedInput) { reader.goOn(carried) }

    /// Bytes that have arrived and were not taken yet.
    var unreadBytes: Int { reader.unreadBytes }

    /// Bytes of memory allocated for them.
    var capacity: Int { reader.capacity }

    /// Takes what has arrived, frame by frame, as long as that is allowed. Within `use` it does nothing, because the outer
    /// loop continues.
    /// - Returns: false if it was called within `use`.
    @discardableResult
    func takeFrames(while mayTake: () -> Bool, _ use: (FrameReader.Item) -> Void) -> Bool {
        guard !isTaking else { return false }
        isTaking = true
        while mayTake(), let item = reader.next() {
            use(item)
            output.continueBurst()
        }
        isTaking = false
        return true
    }

    var isTakingFrames: Bool { isTaking }

    /// Accepts the large frame that `takeFrames` has just asked about.
    func admit() { reader.admit() }

    /// Skips it: its data is dropped as it arrives.
    func skip(_ header: FrameHeader) { reader.skip(header) }

    /// The channel wants to read. If it may not, `readIfDue` makes up for that later.
    func mayRead(unless isHeldUp: Bool) -> Bool {
        isReadDue = isHeldUp
        return !isHeldUp
    }

    func readIfDue() {
        guard isReadDue, let context else { return }
        isReadDue = false
        context.read()
    }
}
