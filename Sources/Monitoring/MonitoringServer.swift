// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers
package import NIOCore
internal import NIOHTTP1
internal import NIOPosix
package import Pool

/// Tells over HTTP how a server is: `/metrics` for Prometheus, `/livez` and `/readyz` for what supervises it, and a dashboard for
/// people. It reads no request's body and changes nothing. It has a thread of its own, so that no answer delays a caller of
/// the server.
package final class MonitoringServer: Sendable {
    /// More connections than monitors need; others are closed at once.
    static let maxConnections = 64

    /// What it tells of. Called on its event loop for each request and sample, so they must be quick.
    package struct Sources: Sendable {
        package var figures: @Sendable () -> ServerFigures
        /// All of them; asked for while somebody looks.
        package var members: @Sendable () -> [MemberInfo]

        package init(
            figures: @escaping @Sendable () -> ServerFigures, members: @escaping @Sendable () -> [MemberInfo]
        ) {
            self.figures = figures
            self.members = members
        }
    }

    private let sources: Sources
    private let interval: TimeAmount
    let sampler: Sampler
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let count = NIOLockedValueBox(0)
    private let channel = NIOLockedValueBox<(any Channel)?>(nil)

    /// - Parameter interval: time between two samples.
    package init(_ sources: Sources, interval: TimeAmount = .seconds(1)) {
        self.sources = sources
        self.interval = interval
        sampler = Sampler(sources)
    }

    /// Where it listens, with the port that was taken if 0 was asked for.
    package var address: SocketAddress? { channel.withLockedValue { $0 }?.localAddress }

    /// Listens.
    /// - Throws: an `IOError` of the kernel.
    package func listen(host: String, port: Int) async throws {
        begin(on: try await bootstrap.bind(host: host, port: port).get())
    }

    /// Listens on a socket that another program has opened.
    package func listen(descriptor: Int32) async throws {
        begin(on: try await bootstrap.withBoundSocket(descriptor).get())
    }

    /// The descriptor of its listener; nil if it does not listen.
    package func descriptor() async -> Int32? {
        guard let listening = channel.withLockedValue({ $0 }) else { return nil }
        return try? await listening.eventLoop.submit {
            try listening.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { $0 }
        }.get()
    }

    private var bootstrap: ServerBootstrap {
        ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { [sources, sampler, count] child in
                child.eventLoop.makeCompletedFuture {
                    guard
                        count.withLockedValue({ count in
                            count += 1
                            return count <= Self.maxConnections
                        })
                    else {
                        count.withLockedValue { $0 -= 1 }
                        throw ChannelError.inappropriateOperationForState
                    }
                    child.closeFuture.whenComplete { _ in count.withLockedValue { $0 -= 1 } }
                    let pipeline = child.pipeline.syncOperations
                    try pipeline.configureHTTPServerPipeline(withPipeliningAssistance: true, withErrorHandling: true)
                    let names = HostNames(at: child.localAddress?.ipAddress)
                    try pipeline.addHandler(MonitoringHandler(names: names, sources: sources, sampler: sampler))
                }
            }
    }

    private func begin(on listening: any Channel) {
        channel.withLockedValue { $0 = listening }
        listening.eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: interval) { [sampler] _ in
            sampler.sample()
        }
    }

    /// Ends its connections and its thread. To be called even if it never listened.
    package func close() async {
        try? await group.shutdownGracefully()
    }
}

/// The names in `Host` that a connection is answered for. A page from elsewhere may point a name of its own to this host
/// (DNS rebinding), so an address of the host itself answers only for itself.
struct HostNames: Sendable {
    private let isOpen: Bool

    /// - Parameter address: the address that the client has connected to, as the kernel writes it.
    init(at address: String?) {
        isOpen = address.map { !Self.isLoopback($0) } ?? false
    }

    func contain(_ host: String) -> Bool {
        if isOpen { return true }
        return Self.withoutPort(host).map(Self.isLoopback) ?? false
    }

    private static func isLoopback(_ host: String) -> Bool {
        if host.lowercased() == "localhost" || host == "::1" { return true }
        let numbers = host.split(separator: ".", omittingEmptySubsequences: false)
        return numbers.count == 4 && numbers[0] == "127" && numbers.allSatisfy { UInt8($0) != nil }
    }

    /// "127.0.0.1" of "127.0.0.1:7412", "::1" of "[::1]:7412"; nil for what is no host with a port.
    private static func withoutPort(_ host: String) -> String? {
        let end = host.hasPrefix("[") ? host.firstIndex(of: "]").map(host.index(after:)) : host.firstIndex(of: ":")
        let (name, rest) = (host[..<(end ?? host.endIndex)], host[(end ?? host.endIndex)...])
        let port = rest.dropFirst()
        guard rest.isEmpty || rest.hasPrefix(":") && port.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        guard name.hasPrefix("[") else { return String(name) }
        return name.hasSuffix("]") ? String(name.dropFirst().dropLast()) : nil
    }
}
