// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import BerthWire
internal import NIOCore

/// Handles a connection over the limit: answers its first request with an error and closes it, within a limited time.
final class RefusalHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let error: RPCError
    private let timeout: TimeAmount
    /// Requests are skipped, so that none needs to be held.
    private var reader = FrameReader(maxDataLength: 0)
    private var timer: DeadlineTimer?
    private var hasBegun = false
    private var hasAnswered = false

    init(_ error: RPCError, timeout: TimeAmount) {
        self.error = error
        self.timeout = timeout
    }

    func handlerAdded(context: ChannelHandlerContext) {
        guard context.channel.isActive else { return }
        begin(context)
    }

    func channelActive(context: ChannelHandlerContext) { begin(context) }

    private func begin(_ context: ChannelHandlerContext) {
        timer = DeadlineTimer(eventLoop: context.eventLoop) {
            context.close(promise: nil)
            return nil
        }
        timer?.arm(context.eventLoop.now + timeout)
    }

    func channelInactive(context: ChannelHandlerContext) { timer?.cancel() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        if !hasBegun {
            guard !ForeignProtocol.begins(bytes) else { return refuse(bytes, context) }
            hasBegun = true
        }
        reader.append(bytes)
        while let item = reader.next() {
            let header =
                switch item {
                case .frame(let header, _), .oversized(let header), .large(let header): header
                }
            guard header.type == .request, !hasAnswered else { continue }
            hasAnswered = true
            answer(header.streamID, context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    /// Another protocol's client.
    private func refuse(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        if let answer = ForeignProtocol.answer(bytes) { context.writeAndFlush(wrapOutboundOut(answer), promise: nil) }
        context.close(promise: nil)
    }

    private func answer(_ id: UInt32, _ context: ChannelHandlerContext) {
        var buffer = ByteBuffer()
        let head = ResponseHead(status: error.status)
        buffer.writeFrame(.response, [], streamID: id, size: head.size(payloadSize: 0)) { room in
            head.write(payloadSize: 0, into: room) { _ in }
        }
        context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
        // Only this direction: closing while the peer still writes would reset the connection, and lose the answer.
        context.close(mode: .output, promise: nil)
    }
}
