// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOSSL
internal import NIOTLS

/// Between TLS and the frames of a client's connection: the connection is only handed out when the handshake has succeeded, and
/// errors of TLS get words.
final class TLSHandshake: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let host: String
    private var promise: EventLoopPromise<Void>?

    /// - Parameter promise: completed when the handshake has succeeded or failed, also if there never was one.
    init(host: String, _ promise: EventLoopPromise<Void>) {
        self.host = host
        self.promise = promise
    }

    func handlerRemoved(context: ChannelHandlerContext) { fail("the connection was closed during the TLS handshake") }

    func channelInactive(context: ChannelHandlerContext) {
        fail("the server closed the connection during the TLS handshake; does it speak TLS?")
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted = event {
            promise?.succeed(())
            promise = nil
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A peer that just ends: `channelInactive` comes, and says so.
        if let error = error as? NIOSSLError, error == .uncleanShutdown { return }
        let isEnd = "\(error)".contains("EOF during handshake")
        let peer = (try? context.pipeline.syncOperations.nioSSL_peerCertificate()) ?? nil
        let words =
            isEnd
            ? "the server closed the connection during the TLS handshake; does it speak TLS?"
            : TLSWords.of(error, peer: peer, host: host)
        // The handler of TLS closes the connection itself.
        guard promise == nil else { return fail(words) }
        context.fireErrorCaught(TLSFailure(description: words))
    }

    private func fail(_ words: String) {
        promise?.fail(TLSFailure(description: words))
        promise = nil
    }
}

extension ClientTLS {
    /// Puts TLS below what is added to the channel later.
    /// - Returns: a future that completes when the handshake has succeeded or failed.
    func begin(on channel: any Channel, host: String) throws -> EventLoopFuture<Void> {
        let promise = channel.eventLoop.makePromise(of: Void.self)
        do {
            // An address has no name to ask for; its certificate has to name the address.
            let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
            let handler = try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : host)
            try channel.pipeline.syncOperations.addHandler(handler)
            try channel.pipeline.syncOperations.addHandler(TLSHandshake(host: host, promise))
        } catch {
            promise.fail(error)
            throw error
        }
        return promise.futureResult
    }
}
