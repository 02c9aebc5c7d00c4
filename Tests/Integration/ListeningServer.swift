// SPDX-License-Identifier: Apache-2.0

import BerthRPC
import BerthSchema
import NIOCore
import NIOPosix
import Synchronization
import TestSupport

/// A server that records its requests, and answers as the test decides.
final class ListeningServer: RPCService {
    private let requests = Mutex<[ExecuteRequest]>([])
    private let others = Mutex<[String]>([])
    private let answer: @Sendable (ServerCall) -> Void

    private init(_ answer: @escaping @Sendable (ServerCall) -> Void) {
        self.answer = answer
    }

    /// Takes the recorded requests of `Execute`.
    func takeRequests() -> [ExecuteRequest] {
        requests.withLock { requests in
            defer { requests = [] }
            return requests
        }
    }

    /// Takes the other recorded calls, as text.
    func takeCalls() -> [String] {
        others.withLock { others in
            defer { others = [] }
            return others
        }
    }

    func serve(_ call: ServerCall, in session: Void) {
        do throws(RPCError) {
            switch PoolService.Method(rawValue: call.method) {
            case .execute:
                let request = try call.decode(ExecuteRequest.self)
                requests.withLock { $0.append(request) }
                answer(call)
            case .acquire:
                let request = try call.decode(AcquireRequest.self)
                others.withLock { $0.append("\(request)") }
                if request.pool == "none" { throw RPCError(.notFound, "there is no pool \"none\"") }
                call.respond(AcquireResponse(lease: "token", member: "m", ttlMilliseconds: 1000))
            case .release:
                let request = try call.decode(ReleaseRequest.self)
                others.withLock { $0.append("\(request)") }
                if request.lease == "gone" { throw RPCError(.notFound, "the lease never was, or has ended") }
                call.respond(ReleaseResponse())
            default: throw .unimplemented(service: call.service, method: call.method)
            }
        } catch {
            call.fail(error)
        }
    }

    /// Runs `body` with a server on a TCP port.
    static func with(
        _ answer: @escaping @Sendable (ServerCall) -> Void,
        _ body: (_ server: ListeningServer, _ address: String) async throws -> Void
    ) async throws {
        let server = ListeningServer(answer)
        let rpc = RPCServer(group: MultiThreadedEventLoopGroup.singleton, service: server)
        let address = try await rpc.listen(host: "127.0.0.1", port: 0)
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(server, "127.0.0.1:\(address.port ?? 0)"))
        } catch {
            result = .failure(error)
        }
        await rpc.close()
        try result.get()
    }
}
