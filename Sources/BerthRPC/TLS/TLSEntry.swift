// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOSSL
internal import NIOTLS

/// The first handler of a connection to a TLS port. It waits for the first byte, and makes the connection what that begins:
/// TLS, or a refusal in words that the peer understands. So a connection that sends nothing costs no TLS state.
final class TLSEntry: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let tls: ServerTLS
    private let connection: ServerConnection
    private let service: any RPCService
    private let timeout: TimeAmount
    private var timer: DeadlineTimer?

    init(_ tls: ServerTLS, _ connection: ServerConnection, service: any RPCService, timeout: TimeAmount) {
        self.tls = tls
        self.connection = connection
        self.service = service
        self.timeout = timeout
    }

    func channelActive(context: ChannelHandlerContext) {
        timer = DeadlineTimer(eventLoop: context.eventLoop) {
            context.close(promise: nil)
            return nil
        }
        timer?.arm(context.eventLoop.now + timeout)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        guard let first = bytes.getInteger(at: bytes.readerIndex, as: UInt8.self) else { return }
        timer?.cancel()
        let pipeline = context.pipeline.syncOperations
        do {
            switch first {
            case 0x16:
                let pause = ClosingPause(time: .seconds(1))
                try pipeline.addHandler(pause)
                try pipeline.addHandler(NIOSSLServerHandler(context: tls.context))
                try pipeline.addHandler(TLSGate(connection, service: service, timeout: timeout, pause))
            case 0:
                // A frame begins with it: a client that does not know that this port speaks TLS.
                try pipeline.addHandler(RefusalHandler(.wantsTLS, timeout: .seconds(2)))
            default:
                service.connectionRefused(connection, speaking: ForeignProtocol.name(bytes))
                if let answer = ForeignProtocol.answer(bytes) {
                    context.writeAndFlush(wrapOutboundOut(answer), promise: nil)
                }
                return context.close(promise: nil)
            }
        } catch {
            return context.close(promise: nil)
        }
        context.fireChannelRead(data)
        pipeline.removeHandler(context: context, promise: nil)
    }
}

extension RPCError {
    fileprivate static var wantsTLS: RPCError {
        RPCError(
            .failedPrecondition,
            "this port speaks TLS: connect to tls://HOST:PORT, with --tls-ca or BERTH_TLS_CA if no well-known authority "
                + "has signed the server's certificate")
    }
}

/// Between TLS and the frames of a server's connection: waits for the end of the handshake, for a limited time, and tells of a
/// handshake that failed.
final class TLSGate: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let connection: ServerConnection
    private let service: any RPCService
    private let timeout: TimeAmount
    private let pause: ClosingPause
    private var timer: DeadlineTimer?
    private var isOver = false

    /// - Parameter pause: removed when the handshake has succeeded.
    init(_ connection: ServerConnection, service: any RPCService, timeout: TimeAmount, _ pause: ClosingPause) {
        self.pause = pause
        self.connection = connection
        self.service = service
        self.timeout = timeout
    }

    func handlerAdded(context: ChannelHandlerContext) {
        timer = DeadlineTimer(eventLoop: context.eventLoop) { [weak self] in
            self?.fail("the handshake was not over in time")
            context.close(promise: nil)
            return nil
        }
        timer?.arm(context.eventLoop.now + timeout)
    }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        fail("the peer closed the connection during the handshake")
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted = event {
            isOver = true
            timer?.cancel()
            context.pipeline.syncOperations.removeHandler(pause, promise: nil)
            connection.certificateName = peer(context).flatMap(CertificateName.of)
            do {
                // From now on, and not before: calls begin.
                try context.pipeline.syncOperations.addHandler(ConnectionHandler(connection))
            } catch {
                context.close(promise: nil)
            }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A peer that just ends: `channelInactive` comes.
        if let error = error as? NIOSSLError, error == .uncleanShutdown { return }
        let words = TLSWords.of(error, peer: peer(context))
        // The handler of TLS closes the connection itself.
        guard isOver else { return fail(words) }
        context.fireErrorCaught(TLSFailure(description: words))
    }

    private func peer(_ context: ChannelHandlerContext) -> NIOSSLCertificate? {
        (try? context.pipeline.syncOperations.nioSSL_peerCertificate()) ?? nil
    }

    private func fail(_ words: String) {
        guard !isOver else { return }
        isOver = true
        service.handshakeFailed(connection, because: words)
    }
}
