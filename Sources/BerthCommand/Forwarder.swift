// SPDX-License-Identifier: Apache-2.0

import Berth
import Console
import NIOCore
import NIOPosix
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Accepts local connections, and opens one in the container for each.
struct Forwarder: Sendable {
    private typealias Local = NIOAsyncChannel<ByteBuffer, ByteBuffer>
    private typealias Listener = NIOAsyncChannel<Local, Never>

    /// Interval at which the lease is checked and extended.
    private static let interval = Duration.seconds(1)

    let client: BerthClient
    let lease: Lease
    /// Maximum time that each connection waits for a listener.
    let wait: Duration
    private let turns: ForwardTurns

    init(client: BerthClient, lease: Lease, wait: Duration, most: Int) {
        self.client = client
        self.lease = lease
        self.wait = wait
        turns = ForwardTurns(most)
    }

    /// Runs until it is interrupted, or the lease ends, and then ends the process, which closes everything.
    /// - Throws: `Failure` if it can't listen, and `BerthError`.
    func run(_ mappings: [ForwardMapping]) async throws {
        // At the start, so that an invalid lease is reported at once.
        _ = try await client.renew(lease)
        var listeners: [(ForwardMapping, Listener)] = []
        for mapping in mappings {
            do {
                listeners.append((mapping, try await listen(mapping)))
            } catch let failure as Failure {
                printError(failure.message)
                Forwarder.leave(listeners.map(\.0), failure.code)
            }
        }
        for (mapping, listener) in listeners {
            try printLine("\(Forwarder.name(mapping, listener)) -> \(mapping.target)".printable)
        }
        let signals = RunSignals(terminal: false, resized: {}) { _, _ in Forwarder.leave(mappings, 0) }
        for (mapping, listener) in listeners {
            Task {
                do {
                    try await serve(listener, mapping)
                } catch {
                    printError("\(Forwarder.name(mapping, listener)): \(error)")
                    Forwarder.leave(mappings, 1)
                }
            }
        }
        do {
            try await watchLease()
        } catch {
            printError((error as? Failure)?.message ?? "\(error)")
            Forwarder.leave(mappings, 1)
        }
        withExtendedLifetime(signals) {}
    }

    private static func leave(_ mappings: [ForwardMapping], _ code: Int32) -> Never {
        for mapping in mappings { remove(mapping) }
        exit(code)
    }

    private func watchLease() async throws {
        while true {
            try await Task.sleep(for: Forwarder.interval)
            do throws(BerthError) {
                _ = try await client.renew(lease)
            } catch {
                if error.reason == .noSuchLease { throw Failure("the lease has ended, and the forwarding with it") }
                throw error
            }
        }
    }

    // MARK: Listening

    private func listen(_ mapping: ForwardMapping) async throws -> Listener {
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.backlog, value: 256)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.maxMessagesPerRead, value: 4)
            .childChannelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(minimum: 4096, initial: 16384, maximum: 256 << 10))
        // Connections over the limit wait in the kernel's queue: few are accepted ahead of their turn.
        let few = NIOAsyncSequenceProducerBackPressureStrategies.HighLowWatermark(lowWatermark: 1, highWatermark: 1)
        let initializer: @Sendable (any Channel) -> EventLoopFuture<Local> = { channel in
            channel.eventLoop.makeCompletedFuture {
                if case .port = mapping.local {
                    try channel.syncOptions?.setOption(.tcpOption(.tcp_nodelay), value: 1)
                }
                return try Local(
                    wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
            }
        }
        do {
            switch mapping.local {
            case .port(let port):
                return try await bootstrap.bind(
                    host: "127.0.0.1", port: port, serverBackPressureStrategy: few, childChannelInitializer: initializer
                )
            case .path(let path):
                // Connections go where its user's own would.
                let saved = umask(0o177)
                defer { umask(saved) }
                return try await bootstrap.bind(
                    unixDomainSocketPath: path, serverBackPressureStrategy: few, childChannelInitializer: initializer)
            }
        } catch let error as IOError {
            let place =
                switch mapping.local {
                case .port(let port): "port \(port)"
                case .path(let path): path
                }
            throw Failure("cannot listen on \(place): \(String(cString: strerror(error.errnoCode)))")
        }
    }

    private static func name(_ mapping: ForwardMapping, _ listener: Listener) -> String {
        switch mapping.local {
        case .port: "127.0.0.1:\(listener.channel.localAddress?.port ?? 0)"
        case .path(let path): path
        }
    }

    private static func remove(_ mapping: ForwardMapping) {
        if case .path(let path) = mapping.local { unlink(path) }
    }

    private func serve(_ listener: Listener, _ mapping: ForwardMapping) async throws {
        try await withThrowingDiscardingTaskGroup { group in
            try await listener.executeThenClose { arrivals in
                for try await local in arrivals {
                    // Here, so that no more connections are accepted meanwhile.
                    await turns.take()
                    group.addTask {
                        await forward(local, mapping)
                        turns.giveBack()
                    }
                }
            }
        }
    }

    // MARK: One connection

    private func forward(_ local: Local, _ mapping: ForwardMapping) async {
        do {
            try await local.executeThenClose { inbound, outbound in
                let remote = try await connect(mapping)
                defer { remote.close() }
                do {
                    try await pass(inbound, outbound, remote)
                } catch let error as BerthError {
                    // A reset there becomes a reset here: an end of file would mean that all bytes have come.
                    if let socket = local.channel as? any SocketOptionProvider {
                        try? await socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
                    }
                    throw error
                }
            }
        } catch let error as BerthError {
            printError("\(mapping.target): \(error.message)")
        } catch is CancellationError {
            return
        } catch {
            // The local side reset it.
            return
        }
    }

    private func connect(_ mapping: ForwardMapping) async throws(BerthError) -> ContainerConnection {
        switch mapping.remote {
        case .port(let port): try await client.connect(port: port, in: lease, wait: wait)
        case .path(let path): try await client.connect(unix: SystemString(path), in: lease, wait: wait)
        }
    }

    private func pass(
        _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>,
        _ remote: ContainerConnection
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for try await piece in remote { try await outbound.write(ByteBuffer(bytes: piece)) }
                outbound.finish()
            }
            group.addTask {
                for try await bytes in inbound { try await remote.write(Array(bytes.readableBytesView)) }
                try await remote.finish()
            }
            do {
                try await group.waitForAll()
            } catch {
                group.cancelAll()
                throw error
            }
        }
    }
}

/// A semaphore: a maximum number at a time, in first-in, first-out order.
private final class ForwardTurns: Sendable {
    private struct State {
        var free: Int
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state: Mutex<State>

    init(_ count: Int) { state = Mutex(State(free: count)) }

    func take() async {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                guard state.free > 0 else {
                    state.waiting.append(continuation)
                    return false
                }
                state.free -= 1
                return true
            }
            if isFree { continuation.resume() }
        }
    }

    func giveBack() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
            state.free += 1
            return nil
        }
        next?.resume()
    }
}
