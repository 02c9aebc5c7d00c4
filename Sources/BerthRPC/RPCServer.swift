// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
public import NIOCore
internal import NIOPosix
internal import Synchronization

/// Serves an `RPCService` on any number of TCP ports and unix sockets.
public final class RPCServer: Sendable {
    let configuration: Configuration
    let group: any EventLoopGroup
    private let service: any RPCService
    let state = Mutex(State())
    private let open = Atomic<Int>(0)
    private let refused = Atomic<Int>(0)

    struct State {
        var isClosed = false
        var nextID: UInt64 = 1
        var listeners: [Listener] = []
        var connections: [UInt64: any Channel] = [:]
        var served: [UInt64: Served] = [:]
    }

    struct Served: Sendable {
        var connection: NIOLoopBound<ServerConnection>
        var hasTLS: Bool
    }

    struct Listener: Sendable {
        var channel: any Channel
        /// The file of a unix socket, which is removed when listening stops.
        var path: String?
        var isUnix: Bool
        var hasTLS: Bool
    }

    public init(group: any EventLoopGroup, service: any RPCService, configuration: Configuration = Configuration()) {
        self.group = group
        self.service = service
        self.configuration = configuration
    }

    /// Number of open connections, without those that are being refused.
    public var connectionCount: Int { open.load(ordering: .relaxed) }

    /// Listens on a TCP port; 0 chooses a free one.
    /// - Parameter tls: nil: connections speak ttrpc without TLS.
    /// - Returns: the address it listens on.
    /// - Throws: ALREADY_EXISTS if the address is in use, PERMISSION_DENIED, UNAVAILABLE.
    @discardableResult
    public func listen(host: String, port: Int, tls: ServerTLS? = nil) async throws(RPCError) -> SocketAddress {
        let bootstrap = tcpBootstrap(tls)
        let listener = try await ioCall("cannot listen on \(host):\(port)") {
            try await bootstrap.bind(host: host, port: port).get()
        }
        try await adopt(Listener(channel: listener, isUnix: false, hasTLS: tls != nil))
        guard let address = listener.localAddress else {
            throw RPCError(.unavailable, "listening on \(host):\(port), but at no address")
        }
        return address
    }

    /// Listens on a unix socket. It replaces the socket of a server that died, and is removed when listening stops.
    /// - Parameters:
    ///   - mode: its permissions: anyone who may write to it may call.
    ///   - group: its group; nil is the server's own.
    /// - Throws: ALREADY_EXISTS if a server listens there, or the path is not a socket; PERMISSION_DENIED, UNAVAILABLE.
    public func listen(
        unixSocket path: String, mode: UInt32 = 0o600, group owner: UInt32? = nil
    ) async throws(RPCError) {
        let what = "cannot listen on \(path)"
        let bootstrap = bootstrap()
        if try await isDeadSocket(path) {
            try await ioCall(what) { try SocketFile.remove(path) }
        }
        let listener = try await ioCall(what) {
            try await bootstrap.withBoundSocket(try SocketFile.bind(path, mode: mode, group: owner)).get()
        }
        try await adopt(Listener(channel: listener, path: path, isUnix: true, hasTLS: false))
    }

    /// Stops accepting connections. Open ones are not affected.
    public func stopListening() async {
        let listeners = state.withLock { state in
            defer { state.listeners = [] }
            return state.listeners
        }
        for listener in listeners { try? await listener.channel.close() }
        for path in listeners.compactMap(\.path) { try? SocketFile.remove(path) }
    }

    /// Stops listening and closes all connections. Returns when `connectionClosed` has been called for each.
    public func close() async {
        state.withLock { $0.isClosed = true }
        await stopListening()
        let connections = state.withLock { Array($0.connections.values) }
        for channel in connections { channel.close(promise: nil) }
        for channel in connections { try? await channel.closeFuture.get() }
    }

    // MARK: -

    func tcpBootstrap(_ tls: ServerTLS?) -> ServerBootstrap {
        var bootstrap = bootstrap(tls)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
        for (option, value) in keepAlive { bootstrap = bootstrap.childChannelOption(.tcpOption(option), value: value) }
        return bootstrap
    }

    func bootstrap(_ tls: ServerTLS? = nil) -> ServerBootstrap {
        ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        AcceptPause { [service = self.service] in service.acceptingPaused(because: $0) })
                }
            }
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try self.accept(channel, tls, over: tls == nil ? .socket : .handlers)
                }
            }
    }

    func adopt(_ listener: Listener) async throws(RPCError) {
        let isClosed = state.withLock { state in
            guard !state.isClosed else { return true }
            state.listeners.append(listener)
            return false
        }
        guard isClosed else { return }
        try? await listener.channel.close()
        throw RPCError(.unavailable, "the server is closed")
    }

    /// Serves a connection that a channel carries already, as if it had been accepted. On the channel's event loop.
    package func serve(_ channel: any Channel) throws { try accept(channel, nil, over: .handlers) }

    func accept(
        _ channel: any Channel, _ tls: ServerTLS?, over below: FrameOutput.Below,
        goingOn carried: CarriedConnection? = nil
    ) throws {
        let count = open.add(1, ordering: .relaxed).newValue
        guard count <= configuration.maxConnections else {
            open.subtract(1, ordering: .relaxed)
            return try refuse(channel)
        }
        channel.closeFuture.whenComplete { _ in self.open.subtract(1, ordering: .relaxed) }
        let id = state.withLock { state -> UInt64? in
            guard !state.isClosed else { return nil }
            let id = carried?.id ?? state.nextID
            state.nextID = max(state.nextID, id + 1)
            state.connections[id] = channel
            return id
        }
        guard let id else { return channel.close(promise: nil) }
        channel.closeFuture.whenComplete { _ in
            self.state.withLock { ($0.connections[id], $0.served[id]) = (nil, nil) }
        }
        let connection = ServerConnection(
            id: id, peer: carried?.peer ?? channel.remoteAddress?.peerName ?? "unix", eventLoop: channel.eventLoop,
            service: service, limits: configuration, over: below, goingOn: carried)
        if connection.peer == "unix" { ask(whoIsAt: channel, connection) }
        let served = Served(
            connection: NIOLoopBound(connection, eventLoop: channel.eventLoop), hasTLS: tls != nil)
        state.withLock { $0.served[id] = served }
        guard let tls else { return try channel.pipeline.syncOperations.addHandler(ConnectionHandler(connection)) }
        try channel.pipeline.syncOperations.addHandler(
            TLSEntry(tls, connection, service: service, timeout: configuration.handshakeTimeout))
    }

    /// What the kernel tells of the process that called `connect` (`struct ucred`).
    private struct PeerCredentials {
        var pid: Int32 = 0
        var uid: UInt32 = .max
        var gid: UInt32 = .max
    }

    private func ask(whoIsAt channel: any Channel, _ connection: ServerConnection) {
        guard let options = channel as? any SocketOptionProvider else { return }
        let answer: EventLoopFuture<PeerCredentials> = options.unsafeGetSocketOption(
            level: .socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED))
        // On the channel's loop, where the answer is there at once.
        answer.assumeIsolated().whenSuccess { connection.peerUser = $0.uid }
    }

    private func refuse(_ channel: any Channel) throws {
        let count = refused.add(1, ordering: .relaxed).newValue
        channel.closeFuture.whenComplete { _ in self.refused.subtract(1, ordering: .relaxed) }
        guard count <= configuration.maxRefusedConnections else { return channel.close(promise: nil) }
        let limit = configuration.maxConnections
        try channel.pipeline.syncOperations.addHandler(
            RefusalHandler(
                RPCError(
                    .resourceExhausted,
                    "\(limit) connections are open, the limit; close some, or raise the server's limit",
                    .clientLimit),
                timeout: configuration.refusalTimeout))
    }

    /// Whether there is a socket at `path` that nobody listens on.
    private func isDeadSocket(_ path: String) async throws(RPCError) -> Bool {
        guard SocketFile.exists(path) else { return false }
        do {
            let channel = try await ClientBootstrap(group: group).connect(unixDomainSocketPath: path).get()
            try? await channel.close()
        } catch {
            return SocketFile.isAbandoned(error)
        }
        throw RPCError(.alreadyExists, "cannot listen on \(path): a server listens there already")
    }
}

extension SocketAddress {
    /// "127.0.0.1:5123", "[::1]:5123", or "unix".
    var peerName: String {
        guard let ipAddress, let port else { return "unix" }
        return ipAddress.contains(":") ? "[\(ipAddress)]:\(port)" : "\(ipAddress):\(port)"
    }
}
