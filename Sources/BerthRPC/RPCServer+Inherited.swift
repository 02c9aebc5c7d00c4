// SPDX-License-Identifier: Apache-2.0

public import NIOCore
internal import NIOPosix

extension RPCServer {
    /// Listens on a socket that somebody else has opened and bound. It is closed when listening stops, and the file of a unix
    /// socket is left to whoever made it.
    /// - Parameters:
    ///   - path: the file of a unix socket, if it is to be removed when listening stops.
    ///   - tls: as for a TCP port; unix sockets speak no TLS.
    /// - Returns: the address it listens on.
    /// - Throws: UNAVAILABLE.
    @discardableResult
    public func listen(
        descriptor: Int32, isUnix: Bool, path: String? = nil, tls: ServerTLS? = nil
    ) async throws(RPCError) -> SocketAddress? {
        let bootstrap = isUnix ? bootstrap() : tcpBootstrap(tls)
        let listener = try await ioCall("cannot listen on descriptor \(descriptor)") {
            try await bootstrap.withBoundSocket(descriptor).get()
        }
        try await adopt(Listener(channel: listener, path: path, isUnix: isUnix, hasTLS: tls != nil))
        return listener.localAddress
    }
}
