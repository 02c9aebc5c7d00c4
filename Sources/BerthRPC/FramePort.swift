// SPDX-License-Identifier: Apache-2.0

internal import BerthWire
internal import NIOCore

/// What both ends of a connection have: the frames that come, the frames that go, and the channel's context while it is open.
/// Confined to its event loop.
final class FramePort {
    let output: FrameOutput
    private let below: FrameOutput.Below
    private(set) var context: ChannelHandlerContext?
    private var reader: FrameReader
    private var isTaking = false
    /// The channel asked to read when it might not.
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

    /// Bytes that have come and were not taken yet.
    var unreadBytes: Int { reader.unreadBytes }

    /// Bytes of memory that are held for them.
    var capacity: Int { reader.capacity }

    /// Takes what has come, frame by frame, while it may. Called by `use`, it does nothing: the loop there goes on.
    /// - Returns: whether it was not called so.
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

    /// The large frame that `takeFrames` has just asked about is to be gathered.
    func admit() { reader.admit() }

    /// It is to be dropped as it comes.
    func skip(_ header: FrameHeader) { reader.skip(header) }

    /// The channel asks to read; if it may not, it does when `readIfDue` says so.
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
