// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1

/// A connection that reads `/events`. If it has no room it misses snapshots, and after some in a row it is closed: so what waits
/// for a slow reader stays below the connection's watermark and one snapshot.
final class EventListener: Sendable {
    static let maxMissed = 10

    private let channel: any Channel
    private let missed: NIOLoopBoundBox<Int>

    /// On the event loop of its channel.
    init(_ channel: any Channel) {
        self.channel = channel
        missed = NIOLoopBoundBox(0, eventLoop: channel.eventLoop)
    }

    /// On any thread.
    func send(_ event: ByteBuffer) {
        channel.eventLoop.execute { [self] in
            guard channel.isWritable else {
                missed.value += 1
                if missed.value >= Self.maxMissed { channel.close(promise: nil) }
                return
            }
            missed.value = 0
            channel.writeAndFlush(HTTPServerResponsePart.body(.byteBuffer(event)), promise: nil)
        }
    }
}
