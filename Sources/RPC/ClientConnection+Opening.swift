public import NIOCore
internal import NIOPosix

extension ClientConnection {
    /// Connects over TCP.
    /// - Throws: UNAVAILABLE with the system's words.
    public static func connect(
        host: String, port: Int, group: any EventLoopGroup, timeout: TimeAmount = .seconds(10),
        limits: Limits = Limits()
    ) async throws(RPCError) -> ClientConnection {
        try await ioCall("cannot connect to \(host):\(port)") {
            try await ClientBootstrap(group: group)
                .connectTimeout(timeout)
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .connect(host: host, port: port)
                .flatMap { adopt($0, limits: limits) }.get()
        }
    }

    /// Connects to a unix socket.
    /// - Throws: UNAVAILABLE or PERMISSION_DENIED with the system's words.
    public static func connect(
        unixSocket path: String, group: any EventLoopGroup, timeout: TimeAmount = .seconds(10),
        limits: Limits = Limits()
    ) async throws(RPCError) -> ClientConnection {
        try await ioCall("cannot connect to \(path)") {
            try await ClientBootstrap(group: group)
                .connectTimeout(timeout)
                .connect(unixDomainSocketPath: path)
                .flatMap { adopt($0, limits: limits) }.get()
        }
    }

    /// Speaks to the peer of any channel that carries bytes, which belongs to the connection from then on.
    public static func adopt(_ channel: any Channel, limits: Limits = Limits()) -> EventLoopFuture<ClientConnection> {
        channel.eventLoop.submit {
            let core = ClientCore(eventLoop: channel.eventLoop, limits: limits)
            let connection = ClientConnection(channel: channel, core: core)
            try channel.pipeline.syncOperations.addHandler(ClientHandler(core))
            return connection
        }
    }

    /// Speaks over descriptors, which belong to the connection from then on, also when this fails: two pipes, or one socket
    /// given twice.
    public static func adopt(
        input: Int32, output: Int32, group: any EventLoopGroup, limits: Limits = Limits()
    ) async throws(RPCError) -> ClientConnection {
        try await ioCall("cannot speak over descriptors \(input) and \(output)") {
            let channel =
                input == output
                ? try await ClientBootstrap(group: group).withConnectedSocket(input).get()
                : try await NIOPipeBootstrap(group: group)
                    .takingOwnershipOfDescriptors(input: input, output: output).get()
            return try await adopt(channel, limits: limits).get()
        }
    }
}
