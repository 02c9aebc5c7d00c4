// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// Below TLS until the handshake is over: when that fails, it closes the connection in two steps, so that the peer learns why.
///
/// With TLS 1.3 a client's part of the handshake is over before its certificate is looked at, and its first call is under way
/// then. To close a socket that has unread bytes resets the connection, and what the peer has not read yet, the alert with the
/// reason, is lost with some systems. So only the sending side is closed, and what comes is thrown away, until the peer closes
/// or the time is over.
final class ClosingPause: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let time: TimeAmount
    private var timer: DeadlineTimer?

    init(time: TimeAmount) {
        self.time = time
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard mode == .all, timer == nil, context.channel.isActive else {
            return context.close(mode: mode, promise: promise)
        }
        let timer = DeadlineTimer(eventLoop: context.eventLoop) {
            context.close(promise: nil)
            return nil
        }
        timer.arm(.now() + time)
        self.timer = timer
        // The alert has been written.
        context.flush()
        context.close(mode: .output, promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if timer == nil { context.fireChannelRead(data) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }
}
