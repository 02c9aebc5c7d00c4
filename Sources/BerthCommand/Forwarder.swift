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
    private typealias Listener = NIOAsyncChannel<any Channel, Never>

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
        let bootstrap = ServerBootstrap(group: client.eventLoop)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.backlog, value: 256)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(minimum: 4096, initial: 16384, maximum: 256 << 10))
        // Connections over the limit wait in the kernel's queue: few are accepted ahead of their turn.
        let few = NIOAsyncSequenceProducerBackPressureStrategies.HighLowWatermark(lowWatermark: 1, highWatermark: 1)
        let initializer: @Sendable (any Channel) -> EventLoopFuture<any Channel> = { channel in
            channel.eventLoop.makeCompletedFuture {
                if case .port = mapping.local {
                    try channel.syncOptions?.setOption(.tcpOption(.tcp_nodelay), value: 1)
                }
                return channel
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

    private func forward(_ local: any Channel, _ mapping: ForwardMapping) async {
        let target: ConnectionTarget =
            switch mapping.remote {
            case .port(let port): .port(port)
            case .path(let path): .path(SystemString(path))
            }
        do throws(BerthError) {
            try await client.relay(local, to: target, in: lease, wait: wait)
        } catch {
            printError("\(mapping.target): \(error.message)")
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
