// SPDX-License-Identifier: Apache-2.0

public import NIOCore
internal import NIOPosix

extension ClientConnection {
    /// Connects over TCP.
    /// - Parameter watch: a handler that sees what arrives before the connection does.
    /// - Throws: UNAVAILABLE with the system's message.
    public static func connect(
        host: String, port: Int, group: any EventLoopGroup, timeout: TimeAmount = .seconds(10),
        limits: Limits = Limits(), watch: (any ChannelHandler & Sendable)? = nil
    ) async throws(RPCError) -> ClientConnection {
        try await ioCall("cannot connect to \(host):\(port)") {
            try await bootstrap(group, limits)
                .connectTimeout(timeout)
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .connect(host: host, port: port) { adopt($0, limits: limits, watch: watch, over: .socket) }
        }
    }

    /// Connects over TCP with TLS. The server's certificate must come from an authority of `tls`, and be for `host`.
    /// - Parameter watch: a handler that sees what arrives before the connection does.
    /// - Throws: UNAVAILABLE with the system's message, or with what was wrong in the handshake.
    public static func connect(
        host: String, port: Int, tls: ClientTLS, group: any EventLoopGroup, timeout: TimeAmount = .seconds(10),
        limits: Limits = Limits(), watch: (any ChannelHandler & Sendable)? = nil
    ) async throws(RPCError) -> ClientConnection {
        let what = "cannot connect to tls://\(host):\(port)"
        let end = NIODeadline.now() + timeout
        let (connection, handshake) = try await ioCall(what) {
            try await bootstrap(group, limits)
                .connectTimeout(timeout)
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .connect(host: host, port: port) { channel in
                    channel.eventLoop.makeCompletedFuture { try tls.begin(on: channel, host: host) }
                        .flatMap { handshake in
                            adopt(channel, limits: limits, watch: watch, over: .handlers).map { ($0, handshake) }
                        }
                }
        }
        let timer = connection.eventLoop.scheduleTask(deadline: end) { connection.close() }
        defer { timer.cancel() }
        try await ioCall(what) { try await handshake.get() }
        return connection
    }

    /// Connects to a unix socket.
    /// - Parameter watch: a handler that sees what arrives before the connection does.
    /// - Throws: UNAVAILABLE or PERMISSION_DENIED with the system's message.
    public static func connect(
        unixSocket path: String, group: any EventLoopGroup, timeout: TimeAmount = .seconds(10),
        limits: Limits = Limits(), watch: (any ChannelHandler & Sendable)? = nil
    ) async throws(RPCError) -> ClientConnection {
        try await ioCall("cannot connect to \(path)") {
            try await bootstrap(group, limits)
                .connectTimeout(timeout)
                .connect(unixDomainSocketPath: path) { adopt($0, limits: limits, watch: watch, over: .socket) }
        }
    }

    /// Takes over a channel that carries bytes, and speaks to its peer. What the channel has read before is lost; called on its
    /// event loop, or in its initializer, nothing is. The channel may have handlers of its own, for example for TLS.
    public static func adopt(
        _ channel: any Channel, limits: Limits = Limits(), watch: (any ChannelHandler & Sendable)? = nil
    ) -> EventLoopFuture<ClientConnection> {
        adopt(channel, limits: limits, watch: watch, over: .handlers)
    }

    private static func adopt(
        _ channel: any Channel, limits: Limits, watch: (any ChannelHandler & Sendable)? = nil,
        over below: FrameOutput.Below, goingOn carried: CarriedLink? = nil
    ) -> EventLoopFuture<ClientConnection> {
        guard channel.eventLoop.inEventLoop else {
            return channel.eventLoop.flatSubmit {
                adopt(channel, limits: limits, watch: watch, over: below, goingOn: carried)
            }
        }
        return channel.eventLoop.makeCompletedFuture {
            let core = ClientCore(eventLoop: channel.eventLoop, limits: limits, over: below)
            if let carried { core.goOn(carried) }
            let connection = ClientConnection(channel: channel, core: core)
            do {
                if let watch { try channel.pipeline.syncOperations.addHandler(watch) }
                try channel.pipeline.syncOperations.addHandler(ConnectionHandler(core))
            } catch {
                core.closed()
                throw error
            }
            return connection
        }
    }

    /// Goes on with a connection of another program, whose descriptor it takes over even if it fails. It reads nothing before
    /// `resumeReading`.
    package static func adopt(
        _ carried: CarriedLink, group: any EventLoopGroup, limits: Limits = Limits()
    ) async throws(RPCError) -> ClientConnection {
        guard Descriptor.isSocket(carried.descriptor) else {
            throw RPCError(.invalidArgument, "descriptor \(carried.descriptor) is not a socket")
        }
        return try await ioCall("cannot speak over socket \(carried.descriptor)") {
            try await bootstrap(group, limits).withConnectedSocket(carried.descriptor) {
                adopt($0, limits: limits, over: .socket, goingOn: carried)
            }
        }
    }

    /// Takes over descriptors, even if it fails, and speaks over them: two pipes, or one socket given twice.
    public static func adopt(
        input: Int32, output: Int32, group: any EventLoopGroup, limits: Limits = Limits()
    ) async throws(RPCError) -> ClientConnection {
        guard input != output else {
            guard Descriptor.isSocket(input) else {
                Descriptor.close(input)
                throw RPCError(
                    .invalidArgument, "descriptor \(input) is not a socket, so it cannot be read and written")
            }
            return try await ioCall("cannot speak over socket \(input)") {
                try await bootstrap(group, limits).withConnectedSocket(input) {
                    adopt($0, limits: limits, over: .socket)
                }
            }
        }
        do throws(RPCError) {
            return try await ioCall("cannot speak over descriptors \(input) and \(output)") {
                try await NIOPipeBootstrap(group: group)
                    .channelOption(.recvAllocator, value: limits.receiving)
                    .channelOption(.maxMessagesPerRead, value: UInt(limits.maxReadsPerTurn))
                    .takingOwnershipOfDescriptors(input: input, output: output) {
                        adopt($0, limits: limits, over: .socket)
                    }
            }
        } catch {
            // A failed bootstrap leaves closing them to its caller.
            Descriptor.close(input)
            Descriptor.close(output)
            throw error
        }
    }

    private static func bootstrap(_ group: any EventLoopGroup, _ limits: Limits) -> ClientBootstrap {
        ClientBootstrap(group: group)
            .channelOption(.recvAllocator, value: limits.receiving)
            .channelOption(.maxMessagesPerRead, value: UInt(limits.maxReadsPerTurn))
    }
}
