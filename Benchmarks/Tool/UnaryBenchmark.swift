// SPDX-License-Identifier: Apache-2.0

import BenchmarkKit
import BerthRPC
import BerthSchema
import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The unary call `Stats` in a closed loop, by a client that does as little as it can: no task, no waiting thread; the
/// answer that comes begins the next call. The same for every server, so that two servers can be compared.
final class UnaryBenchmark {
    struct Row: Encodable {
        var connections: Int
        var inFlight: Int
        var callsPerSecond: Double
        /// In microseconds.
        var latency: Quantiles
        var failed: Int
    }

    private let connection: ClientConnection
    private let end: NIODeadline
    private let measuredFrom: NIODeadline
    private let done: EventLoopPromise<Void>
    private var left: Int
    private(set) var latencies: [UInt32] = []
    private(set) var failed = 0

    private init(_ connection: ClientConnection, inFlight: Int, from: NIODeadline, end: NIODeadline) {
        self.connection = connection
        self.end = end
        measuredFrom = from
        left = inFlight
        done = connection.eventLoop.makePromise()
    }

    /// - Parameter inFlight: on all connections together; those that get none are open and idle.
    static func run(port: Int, connections: Int, inFlight: Int, seconds: Int) async throws -> Row {
        // As many threads as cores would take them from the server.
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        var open: [ClientConnection] = []
        // With an authority, as the commands of berth take it.
        let tls = try getenv("BERTH_TLS_CA").map { try ClientTLS(TLSFiles(authorities: String(cString: $0))) }
        for _ in 0..<connections {
            let connection =
                if let tls {
                    try await ClientConnection.connect(host: "127.0.0.1", port: port, tls: tls, group: group)
                } else {
                    try await ClientConnection.connect(host: "127.0.0.1", port: port, group: group)
                }
            open.append(connection)
        }
        let from = NIODeadline.now() + .milliseconds(500)
        let end = from + .seconds(Int64(seconds))
        let shares = open.enumerated().map { index, connection in
            (connection, inFlight / connections + (index < inFlight % connections ? 1 : 0))
        }
        let (latencies, failed) = try await loop.flatSubmit {
            let runs = shares.filter { $0.1 > 0 }.map { connection, share in
                let run = UnaryBenchmark(connection, inFlight: share, from: from, end: end)
                for _ in 0..<share { run.call() }
                return run
            }
            let bound = NIOLoopBound(runs, eventLoop: loop)
            return EventLoopFuture.andAllComplete(runs.map(\.done.futureResult), on: loop).map {
                (bound.value.flatMap(\.latencies), bound.value.reduce(0) { $0 + $1.failed })
            }
        }.get()
        for connection in open { connection.close() }
        try? await group.shutdownGracefully()
        return Row(
            connections: connections, inFlight: inFlight, callsPerSecond: Double(latencies.count) / Double(seconds),
            latency: Quantiles(nanoseconds: latencies), failed: failed)
    }

    private func call() {
        let began = NIODeadline.now()
        guard began < end else { return finish() }
        let bound = NIOLoopBound(self, eventLoop: connection.eventLoop)
        connection.unary(service: PoolService.name, method: "Stats", Empty()) { bound.value.answered($0, began) }
    }

    private func answered(_ answer: Result<ByteBuffer, RPCError>, _ began: NIODeadline) {
        let now = NIODeadline.now()
        switch answer {
        case .success where now >= measuredFrom && now < end:
            latencies.append(UInt32(clamping: (now - began).nanoseconds))
        case .success: break
        case .failure:
            failed += 1
            return finish()
        }
        call()
    }

    private func finish() {
        left -= 1
        if left == 0 { done.succeed() }
    }
}
