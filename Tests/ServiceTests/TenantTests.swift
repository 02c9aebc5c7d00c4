// SPDX-License-Identifier: Apache-2.0

import Access
import Berth
import BerthRPC
import BerthSchema
import Foundation
import NIOCore
import NIOPosix
import Pool
import Service
import Synchronization
import Testing
import TestSupport

/// Who calls, and that one tenant's calls do not reach another's.
@Suite("Tenants", .serialized)
struct TenantTests {
    /// A server with the tenants `one` and `two`, an operator, and a token of each.
    struct Parties {
        var access: AccessControl
        var one = "", two = "", boss = "", expired = ""

        init(
            _ change: (inout TenantPolicy) -> Void = { _ in }, now: @escaping @Sendable () -> Int = { time(nil) }
        ) {
            var random = SystemRandomNumberGenerator()
            var policies = ["one", "two", "boss"].map { TenantPolicy(name: $0) }
            policies[2].role = .operator
            change(&policies[0])
            var file = TokenFile()
            func token(_ tenant: String, expires: Int? = nil) -> String {
                let token = Token.make(using: &random)
                file.entries.append(
                    TokenEntry(hash: Token.hash(token), tenant: tenant, created: now(), expires: expires))
                return token
            }
            (one, two, boss) = (token("one"), token("two"), token("boss"))
            expired = token("one", expires: now() - 1)
            access = AccessControl(policies, file, ownUser: 4_000_000, seconds: now)
        }
    }

    private let group = MultiThreadedEventLoopGroup.singleton

    /// A connection whose first request is a Hello with a token.
    func connect(_ server: TestServer, _ token: String?) async throws -> ClientConnection {
        guard case .tcp(let host, let port) = server.address else { throw NeverHappened(description: "no TCP") }
        let connection = try await ClientConnection.connect(host: host, port: port, group: group)
        if let token {
            connection.unary(
                PoolService.hello, HelloRequest(),
                metadata: [KeyValue(key: "authorization", value: "Bearer \(token)")]
            ) { _ in }
        }
        return connection
    }

    /// The error that a method answers a request with; nil if it succeeds, or a stream begins.
    func error(
        _ connection: ClientConnection, _ service: String, _ method: String, isStreaming: Bool, _ request: some Message,
        metadata: [KeyValue] = []
    ) async -> RPCError? {
        if !isStreaming {
            do throws(RPCError) {
                _ = try await withUnary(connection, service, method, request, metadata)
                return nil
            } catch {
                return error
            }
        }
        let (events, sink) = AsyncStream.makeStream(of: RPCError?.self)
        connection.stream(service: service, method: method, request, metadata: metadata) { event in
            if case .end(let error) = event { sink.yield(error) } else { sink.yield(nil) }
        }
        for await event in events { return event }
        return nil
    }

    private func withUnary(
        _ connection: ClientConnection, _ service: String, _ method: String, _ request: some Message,
        _ metadata: [KeyValue]
    ) async throws(RPCError) -> ByteBuffer {
        let result: Result<ByteBuffer, RPCError> = await withCheckedContinuation { continuation in
            connection.unary(service: service, method: method, request, metadata: metadata) {
                continuation.resume(returning: $0)
            }
        }
        return try result.get()
    }

    /// Every method of the contract, with whether it streams.
    private static let methods: [(service: String, name: String, isStreaming: Bool)] =
        PoolService.Method.allCases.map { (PoolService.name, $0.rawValue, $0.isStreaming) }
        + AdminService.Method.allCases.map { (AdminService.name, $0.rawValue, $0.isStreaming) }

    @Test("no method answers a caller without a token, with a wrong, a revoked or an expired one, and all say the same")
    func strangers() async throws {
        let parties = Parties()
        try await TestServer.with(
            FleetConfiguration(pools: [PoolConfiguration(size: 1)]), access: parties.access, as: parties.one
        ) { server, _ in
            var random = SystemRandomNumberGenerator()
            let wrong: [String?] = [
                nil, "", "x", parties.expired, Token.make(using: &random), String(parties.one.dropLast()),
                parties.one + "A",
                String(repeating: "x", count: 100_000),
            ]
            for token in wrong {
                let connection = try await connect(server, token)
                for method in Self.methods {
                    let error = await error(
                        connection, method.service, method.name, isStreaming: method.isStreaming, HelloRequest())
                    #expect(error?.code == .unauthenticated, "\(method.name) with \(token?.prefix(80) ?? "none")")
                    #expect(error?.reason == .unknownCaller)
                    #expect(error?.message.contains("does not know who calls") == true)
                }
                // On each call too.
                let metadata = [KeyValue(key: "Authorization", value: "bearer \(token ?? "")")]
                #expect(
                    await error(
                        connection, PoolService.name, "Stats", isStreaming: false, StatsRequest(), metadata: metadata)?
                        .code == .unauthenticated)
                connection.close()
            }
            // Revoked while its connection is open.
            let connection = try await connect(server, parties.two)
            #expect(await error(connection, PoolService.name, "Stats", isStreaming: false, StatsRequest()) == nil)
            parties.access.set(
                TokenFile(entries: [TokenEntry(hash: Token.hash(parties.one), tenant: "one", created: 0)]))
            #expect(
                await error(connection, PoolService.name, "Stats", isStreaming: false, StatsRequest())?.code
                    == .unauthenticated)
            connection.close()
        }
    }

    @Test("a token is accepted once per connection or with each call, in any case, and a connection has one caller")
    func tokens() async throws {
        let parties = Parties()
        try await TestServer.with(
            FleetConfiguration(pools: [PoolConfiguration(size: 1)]), access: parties.access, as: parties.one
        ) { server, _ in
            let connection = try await connect(server, nil)
            let metadata = [KeyValue(key: "AUTHORIZATION", value: "BEARER \(parties.one)")]
            for _ in 0..<2 {
                #expect(
                    await error(
                        connection, PoolService.name, "WatchStats", isStreaming: true, WatchStatsRequest(),
                        metadata: metadata) == nil)
            }
            // It is known now.
            #expect(await error(connection, PoolService.name, "Stats", isStreaming: false, StatsRequest()) == nil)
            let other = [KeyValue(key: "authorization", value: "Bearer \(parties.two)")]
            #expect(
                await error(connection, PoolService.name, "Stats", isStreaming: false, StatsRequest(), metadata: other)?
                    .code == .unauthenticated)
            #expect(await error(connection, PoolService.name, "Stats", isStreaming: false, StatsRequest()) == nil)
            connection.close()
        }
    }

    /// What a tenant has, for others to ask for.
    struct Things {
        var lease = "", execution = "", alone = "", context = "", upload = ""
        /// Where its files are.
        var folder = "/tmp"
    }

    /// A request of each method about them. Whoever adds a method must add here what it asks for.
    func request(_ method: PoolService.Method, _ things: Things) -> any Message {
        let (lease, execution, context) = (things.lease, things.execution, things.context)
        let file = SystemString("\(things.folder)/f")
        return switch method {
        case .hello: HelloRequest()
        case .acquire: AcquireRequest(waitMilliseconds: 1)
        case .execute: ExecuteRequest(lease: lease, argv: ["true"], cwd: SystemString(things.folder))
        case .attach: AttachRequest(lease: lease, execution: execution)
        case .detach: DetachRequest(lease: lease, execution: execution, watcher: 1)
        case .acknowledge: AcknowledgeRequest(lease: lease, execution: execution, watcher: 1)
        case .input: InputRequest(lease: lease, execution: execution, data: [1])
        case .signal: SignalRequest(lease: lease, execution: execution, signal: 9)
        case .resize: ResizeTerminalRequest(lease: lease, execution: execution, terminal: Terminal(rows: 1, columns: 1))
        case .listExecutions: ListExecutionsRequest(lease: lease)
        case .openContext: OpenContextRequest(lease: lease, language: "sh", cwd: SystemString(things.folder))
        case .closeContext: CloseContextRequest(lease: lease, context: context)
        case .forkContext: ForkContextRequest(lease: lease, context: context)
        case .listContexts: ListContextsRequest(lease: lease)
        case .complete: CompleteRequest(lease: lease, context: context, code: "x", cursor: 1)
        case .inspect: InspectRequest(lease: lease, context: context, code: "x", cursor: 1)
        case .connect: ConnectRequest(lease: lease, port: 80)
        case .writeFile:
            WriteFileRequest(lease: lease, path: file, data: [1])
        case .readFile: ReadFileRequest(lease: lease, path: file)
        case .listDirectory: ListDirectoryRequest(lease: lease, path: SystemString(things.folder))
        case .stat: StatRequest(lease: lease, path: SystemString(things.folder))
        case .makeDirectory: MakeDirectoryRequest(lease: lease, path: SystemString("\(things.folder)/d"))
        case .renameFile: RenameFileRequest(lease: lease, from: file, to: SystemString("\(things.folder)/g"))
        case .changeMode: ChangeModeRequest(lease: lease, path: file, mode: 0o600)
        case .removeFile: RemoveFileRequest(lease: lease, path: file)
        case .writeArchive: WriteArchiveRequest(lease: lease, path: SystemString("\(things.folder)/a"), data: [])
        case .readArchive: ReadArchiveRequest(lease: lease, path: SystemString(things.folder))
        case .release: ReleaseRequest(lease: lease)
        case .renew: RenewRequest(lease: lease)
        case .quota: QuotaRequest(tenant: "one")
        case .stats: StatsRequest()
        case .watchStats: WatchStatsRequest()
        }
    }

    @Test(
        "every method of the contract, called by another tenant with the right lease, execution and context, finds nothing"
    )
    func isolation() async throws {
        let parties = Parties()
        try await TestServer.with(
            FleetConfiguration(pools: [PoolConfiguration(size: 2, max: 4)]), access: parties.access, as: parties.one
        ) { server, owner in
            let lease = try await owner.acquire()
            var things = Things(lease: lease.token)
            let running = owner.execute(.shell("echo began; sleep 60"), in: lease)
            things.execution = try await running.id
            let alone = owner.execute(.shell("echo began; sleep 60"))
            things.alone = try await alone.id
            things.context = try await owner.openContext("sh", in: lease, cwd: "/tmp").id
            let stranger = try await connect(server, parties.two)
            // What names nothing of another's.
            let own: Set<PoolService.Method> = [.hello, .acquire, .stats, .watchStats, .quota]
            for method in PoolService.Method.allCases {
                let answer = await error(
                    stranger, PoolService.name, method.rawValue, isStreaming: method.isStreaming,
                    request(method, things))
                guard !own.contains(method) else { continue }
                #expect(answer?.code == .notFound, "\(method): \(answer as Any)")
                // As for one that never was.
                var never = things
                (never.lease, never.execution) = (String(repeating: "0", count: 32), String(repeating: "1", count: 32))
                let unknown = await error(
                    stranger, PoolService.name, method.rawValue, isStreaming: method.isStreaming, request(method, never)
                )
                #expect(answer == unknown, "\(method)")
            }
            #expect(
                await error(stranger, PoolService.name, "Quota", isStreaming: false, QuotaRequest(tenant: "one"))?.code
                    == .permissionDenied)
            // An execution without a lease is known by its id alone.
            for method in [PoolService.Method.attach, .detach, .acknowledge, .input, .signal, .resize] {
                let only = Things(lease: "", execution: things.alone)
                let answer = await error(
                    stranger, PoolService.name, method.rawValue, isStreaming: method.isStreaming, request(method, only))
                #expect(answer?.code == .notFound, "\(method): \(answer as Any)")
            }
            for method in AdminService.Method.allCases {
                let answer = await error(
                    stranger, AdminService.name, method.rawValue, isStreaming: method.isStreaming, ListMembersRequest())
                #expect(answer?.code == .permissionDenied && answer?.reason == .operatorOnly, "\(method)")
            }
            stranger.close()
            // Nothing of it has reached what is the owner's.
            let executions = try await owner.executions(in: lease).map(\.execution)
            #expect(executions.contains(things.execution))
            let boss = try await connect(server, parties.boss)
            #expect(
                await error(boss, AdminService.name, "ListMembers", isStreaming: false, ListMembersRequest()) == nil)
            boss.close()
            try await owner.release(lease)
        }
    }
}
