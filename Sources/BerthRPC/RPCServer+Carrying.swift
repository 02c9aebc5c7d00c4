// SPDX-License-Identifier: Apache-2.0

package import NIOCore
internal import NIOPosix
internal import Synchronization

/// How a server hands its listeners and connections to the program that takes its place: `stopAccepting`, `freeze`, `carry`; and
/// how that goes on with them.
extension RPCServer {
    /// A listener as it goes over.
    package struct CarriedListener: Codable, Sendable, Equatable {
        package var descriptor: Int32
        /// The file of a unix socket, if it is this server's.
        package var path: String?
        package var isUnix: Bool
        package var hasTLS: Bool
    }

    /// The budget for memory held for clients.
    package var budget: MemoryBudget { configuration.memory }

    private func served(hasTLS: Bool) -> [NIOLoopBound<ServerConnection>] {
        state.withLock { state in state.served.values.filter { $0.hasTLS == hasTLS }.map(\.connection) }
    }

    /// Leaves new connections to the kernel's line, until `goOn`.
    package func stopAccepting() async { await setAccepting(false) }

    private func setAccepting(_ isOn: Bool) async {
        for listener in state.withLock({ $0.listeners }) {
            try? await listener.channel.setOption(.autoRead, value: isOn).get()
        }
    }

    /// Closes the connections that can't be handed over, those with TLS: their clients connect again.
    package func closeOthers() async {
        for connection in served(hasTLS: true) {
            try? await connection.eventLoop.submit {
                connection.value.close()
                // Not when the peer has answered to that, which may take seconds.
                connection.value.closed()
            }.get()
        }
    }

    /// Stops reading, serving and sending on all connections.
    package func freeze() async {
        for connection in served(hasTLS: false) {
            try? await connection.eventLoop.submit { connection.value.freeze() }.get()
        }
    }

    /// Goes on, after `freeze` or in the other program.
    package func goOn() async {
        for connection in served(hasTLS: false) {
            try? await connection.eventLoop.submit { connection.value.thaw() }.get()
        }
        await setAccepting(true)
    }

    /// A call that can't be handed over now, by its method; nil: there is none.
    package func obstacle() async -> String? {
        for connection in served(hasTLS: false) {
            if let method = try? await connection.eventLoop.submit({ connection.value.obstacle }).get() {
                return method
            }
        }
        return nil
    }

    /// The listeners whose event loop is the one that this is called on.
    package func carriedListeners(on loop: any EventLoop) throws(CarryError) -> [CarriedListener] {
        var carried: [CarriedListener] = []
        for listener in state.withLock({ $0.listeners }) where listener.channel.eventLoop === loop {
            carried.append(
                CarriedListener(
                    descriptor: try listener.channel.socketDescriptor(), path: listener.path, isUnix: listener.isUnix,
                    hasTLS: listener.hasTLS))
        }
        return carried
    }

    /// The connections whose event loop is the one that this is called on.
    package func carriedConnections(on loop: any EventLoop) throws(CarryError) -> [CarriedConnection] {
        var carried: [CarriedConnection] = []
        let (served, channels) = state.withLock { ($0.served, $0.connections) }
        for (id, one) in served.sorted(by: { $0.key < $1.key }) where one.connection.eventLoop === loop && !one.hasTLS {
            guard let channel = channels[id], channel.isActive else { continue }
            if let one = try one.connection.value.carry(descriptor: try channel.socketDescriptor()) {
                carried.append(one)
            }
        }
        return carried
    }

    /// Goes on with a connection, which is frozen until `goOn`. Its descriptor is closed if that fails.
    package func adopt(_ carried: CarriedConnection) async throws(RPCError) {
        try await ioCall("cannot go on with a connection") {
            _ = try await ClientBootstrap(group: group).channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try self.accept(channel, nil, over: .socket, goingOn: carried) }
            }.withConnectedSocket(carried.descriptor).get()
        }
    }
}

extension Channel {
    /// The descriptor of its socket. On its event loop.
    package func socketDescriptor() throws(CarryError) -> Int32 {
        let found = try? pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { $0 }
        guard let found else { throw CarryError("a channel without a socket") }
        return found
    }
}
