// SPDX-License-Identifier: Apache-2.0

import BenchmarkKit
import BerthRPC
import BerthSchema
import NIOCore
import NIOPosix

extension Allocations {
    /// Answers as `Hello` does, without a server behind it: the RPC alone.
    private struct Greeter: RPCService {
        func serve(_ call: ServerCall, in session: Void) {
            do throws(RPCError) {
                _ = try call.decode(HelloRequest.self)
                call.respond(HelloResponse(server: "bench"))
            } catch {
                call.fail(error)
            }
        }
    }

    static func callCounts() async throws -> [Count] {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let rpc = RPCServer(group: group, service: Greeter())
        let bound = try await rpc.listen(host: "127.0.0.1", port: 0)
        let result: Result<[Count], any Error>
        do {
            result = .success(
                try countServing(port: bound.port ?? 0) + (try await countCalling(bound.port ?? 0, group)))
        } catch {
            result = .failure(error)
        }
        await rpc.close()
        try? await group.shutdownGracefully()
        return try result.get()
    }

    private static func countServing(port: Int) throws -> [Count] {
        let client = try RawConnection(port: port)
        let frames = (0..<64).map { index in
            RawConnection.frame("bench.Greeter", "Hello", HelloRequest(client: "bench"), stream: UInt32(index * 2 + 1))
        }
        let burst = frames.flatMap { $0 }
        return [
            try count("serve a unary call, one at a time", 10_000) { operations in
                for _ in 0..<operations { try client.exchange(frames[0], ends: 1) }
            },
            try count("serve a unary call, 64 in flight", 64_000) { operations in
                for _ in 0..<operations / 64 { try client.exchange(burst, ends: 64) }
            },
        ]
    }

    /// Both ends in this process: what the client adds to the server's.
    private static func countCalling(_ port: Int, _ group: MultiThreadedEventLoopGroup) async throws -> [Count] {
        let client = try await ClientConnection.connect(host: "127.0.0.1", port: port, group: group)
        defer { client.close() }
        return [
            await count("make and serve a unary call, with a callback", 10_000) { operations in
                await withCheckedContinuation { continuation in
                    Caller(client, operations) { continuation.resume() }.start()
                }
            },
            try await count("make and serve a unary call, with async", 10_000) { operations in
                for _ in 0..<operations {
                    let _: HelloResponse = try await client.unary(
                        service: "bench.Greeter", method: "Hello", HelloRequest(client: "bench"))
                }
            },
        ]
    }

    /// Makes one call after the other, each in the answer of the one before.
    private final class Caller: @unchecked Sendable {
        private let client: ClientConnection
        private let done: @Sendable () -> Void
        /// On the client's event loop alone.
        private var left: Int

        init(_ client: ClientConnection, _ count: Int, done: @escaping @Sendable () -> Void) {
            self.client = client
            self.done = done
            left = count
        }

        func start() { client.eventLoop.execute { self.call() } }

        private func call() {
            guard left > 0 else { return done() }
            left -= 1
            client.unary(service: "bench.Greeter", method: "Hello", HelloRequest(client: "bench")) { _ in self.call() }
        }
    }
}
