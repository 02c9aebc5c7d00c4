// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// One end of a connection, a server's or a client's, as its channel sees it. All on the channel's event loop.
protocol ConnectionEnd: AnyObject {
    /// Comes first.
    func opened(_ context: ChannelHandlerContext)
    func received(_ bytes: ByteBuffer)
    /// All that the channel read at once has been `received`.
    func readCompleted()
    /// Whether the channel may read; if not, the end asks for it later.
    func mayRead() -> Bool
    /// Reading or writing failed.
    func failed(_ error: any Error)
    /// The channel is closed, or not this end's any more. Comes last, and may come again.
    func closed()
}

/// Between a channel and an end of a connection.
final class ConnectionHandler<End: ConnectionEnd>: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let end: End

    init(_ end: End) {
        self.end = end
    }

    func handlerAdded(context: ChannelHandlerContext) { end.opened(context) }

    func handlerRemoved(context: ChannelHandlerContext) { end.closed() }

    func channelInactive(context: ChannelHandlerContext) { end.closed() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { end.received(unwrapInboundIn(data)) }

    func channelReadComplete(context: ChannelHandlerContext) { end.readCompleted() }

    func read(context: ChannelHandlerContext) {
        if end.mayRead() { context.read() }
    }

    /// A connection's errors are its own: nobody else hears of it.
    func errorCaught(context: ChannelHandlerContext, error: any Error) { end.failed(error) }
}
