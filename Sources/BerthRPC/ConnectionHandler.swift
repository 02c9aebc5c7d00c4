// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// One end of a connection, server or client, as its channel sees it. All calls are on the channel's event loop.
protocol ConnectionEnd: AnyObject {
    /// Comes first.
    func opened(_ context: ChannelHandlerContext)
    func received(_ bytes: ByteBuffer)
    /// Everything that the channel read at once was passed to `received`.
    func readCompleted()
    /// Whether the channel may read now; if not, this end requests a read later.
    func mayRead() -> Bool
    /// Reading or writing failed.
    func failed(_ error: any Error)
    /// The channel is closed, or no longer this end's. Comes last, and may come more than once.
    func closed()
}

/// The channel handler that connects a channel and an end of a connection.
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

    /// A connection's errors concern only itself, so they are not passed on.
    func errorCaught(context: ChannelHandlerContext, error: any Error) { end.failed(error) }
}
