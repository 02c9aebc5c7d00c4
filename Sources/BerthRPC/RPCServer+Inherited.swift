// SPDX-License-Identifier: Apache-2.0

public import NIOCore
internal import NIOPosix

extension RPCServer {
    /// Listens on a socket that somebody else has opened and bound. It is closed when listening stops, and the file of a unix
    /// socket is left to whoever made it.
    /// - Parameter tls: as for a TCP port; unix sockets speak no TLS.
    /// - Returns: the address it listens on.
    /// - Throws: UNAVAILABLE.
    @discardableResult
    public func listen(descriptor: Int32, isUnix: Bool, tls: ServerTLS? = nil) async throws(RPCError) -> SocketAddress?
    {
        let bootstrap = isUnix ? bootstrap() : tcpBootstrap(tls)
        let listener = try await ioCall("cannot listen on descriptor \(descriptor)") {
            try await bootstrap.withBoundSocket(descriptor).get()
        }
        try await adopt(listener, path: nil)
        return listener.localAddress
    }
}
