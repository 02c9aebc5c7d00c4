internal import NIOCore

/// Between a channel and its `ClientCore`.
final class ClientHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let core: ClientCore

    init(_ core: ClientCore) {
        self.core = core
    }

    func handlerAdded(context: ChannelHandlerContext) { core.opened(context) }

    func handlerRemoved(context: ChannelHandlerContext) { core.channelClosed() }

    func channelInactive(context: ChannelHandlerContext) { core.channelClosed() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { core.received(unwrapInboundIn(data)) }

    func channelReadComplete(context: ChannelHandlerContext) { core.readCompleted() }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        core.writabilityChanged()
        context.fireChannelWritabilityChanged()
    }

    func read(context: ChannelHandlerContext) {
        if core.mayRead() { context.read() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { core.failed(error) }
}
