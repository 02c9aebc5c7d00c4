import BenchmarkKit
import NIOCore
import NIOPosix
import RPC
import Schema

extension Allocations {
    /// Answers as `Hello` does, without a server behind it: the RPC alone.
    private struct Greeter: RPCService {
        func serve(_ call: ServerCall) {
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
        let result = Result { try countServing(port: bound.port ?? 0) }
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
}
