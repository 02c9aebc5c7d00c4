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

/// What becomes of a connection whose caller counts no more.
@Suite("Revoked and expired tokens", .serialized)
struct RevocationTests {
    /// How soon a connection is told.
    private static let stated = Duration.seconds(1)

    /// A tenant with two tokens, and another with one.
    private struct Parties {
        let access: AccessControl
        let first: String, second: String, other: String

        init(expires: Int? = nil, now: @escaping @Sendable () -> Int = { time(nil) }) {
            var random = SystemRandomNumberGenerator()
            let tokens = (0..<3).map { _ in Token.make(using: &random) }
            (first, second, other) = (tokens[0], tokens[1], tokens[2])
            let entries = [
                TokenEntry(hash: Token.hash(first), tenant: "one", created: 0, expires: expires),
                TokenEntry(hash: Token.hash(second), tenant: "one", created: 0),
                TokenEntry(hash: Token.hash(other), tenant: "two", created: 0),
            ]
            access = AccessControl(
                [TenantPolicy(name: "one"), TenantPolicy(name: "two")], TokenFile(entries: entries),
                ownUser: 4_000_000, seconds: now)
        }

        func revokeFirst() {
            access.set(
                TokenFile(entries: [
                    TokenEntry(hash: Token.hash(second), tenant: "one", created: 0),
                    TokenEntry(hash: Token.hash(other), tenant: "two", created: 0),
                ]))
        }
    }

    /// How calls of a connection end, and when.
    private final class Ends: Sendable {
        private let all = Mutex<[String: (RPCError?, ContinuousClock.Instant)]>([:])

        func note(_ name: String, _ error: RPCError?) { all.withLock { $0[name] = (error, .now) } }

        func count() -> Int { all.withLock { $0.count } }

        func end(_ name: String) -> (error: RPCError?, at: ContinuousClock.Instant)? { all.withLock { $0[name] } }
    }

    private func connect(_ server: TestServer) async throws -> ClientConnection {
        guard case .tcp(let host, let port) = server.address else { throw NeverHappened(description: "no TCP") }
        return try await ClientConnection.connect(host: host, port: port, group: MultiThreadedEventLoopGroup.singleton)
    }

    private func stats(_ connection: ClientConnection, _ token: String? = nil) async -> RPCError? {
        let metadata = token.map { [KeyValue(key: "authorization", value: "Bearer \($0)")] } ?? []
        return await withCheckedContinuation { continuation in
            connection.unary(PoolService.stats, StatsRequest(), metadata: metadata) { result in
                if case .failure(let error) = result {
                    continuation.resume(returning: error)
                } else {
                    continuation.resume(returning: nil)
                }
            }
        }
    }

    /// Opens a stream, and waits for its first message.
    private func watchStats(
        _ connection: ClientConnection, _ ends: Ends, _ name: String, _ token: String? = nil
    ) async throws {
        let (began, sink) = AsyncStream.makeStream(of: Void.self)
        let metadata = token.map { [KeyValue(key: "authorization", value: "Bearer \($0)")] } ?? []
        connection.stream(
            service: PoolService.name, method: "WatchStats", WatchStatsRequest(), metadata: metadata
        ) { event in
            if case .end(let error) = event { ends.note(name, error) }
            sink.yield()
        }
        for await _ in began { return }
    }

    @Test(
        "when a token is revoked, streams and waiting calls of its connections end with UNAUTHENTICATED within a second, and no other's"
    )
    func revoked() async throws {
        let parties = Parties()
        var pool = PoolConfiguration(size: 1)
        pool.max = 1
        try await TestServer.with(FleetConfiguration(pools: [pool]), access: parties.access, as: parties.second) {
            server, owner in
            let lease = try await owner.acquire()
            let (ends, mine, others) = (Ends(), try await connect(server), try await connect(server))
            #expect(await stats(mine, parties.first) == nil)
            #expect(await stats(others, parties.other) == nil)
            try await watchStats(mine, ends, "stream")
            try await watchStats(others, ends, "other")
            mine.unary(PoolService.acquire, AcquireRequest(waitMilliseconds: 60_000)) { result in
                if case .failure(let error) = result { ends.note("waiting", error) } else { ends.note("waiting", nil) }
            }
            try await eventually("the acquire waits") { server.fleet.snapshot().contains { $0.waiters == 1 } }
            let revoked = ContinuousClock.now
            parties.revokeFirst()
            try await eventually("both calls end") { ends.count() == 2 }
            for name in ["stream", "waiting"] {
                let end = try #require(ends.end(name))
                #expect(end.error?.code == .unauthenticated && end.error?.reason == .unknownCaller, "\(name): \(end)")
                #expect(end.at - revoked < Self.stated, "\(name)")
            }
            #expect(await stats(mine)?.code == .unauthenticated)
            #expect(await stats(mine, parties.first)?.code == .unauthenticated)
            // The waiting acquire holds no place in the line.
            try await owner.release(lease)
            try await owner.release(try await owner.acquire())
            #expect(ends.end("other") == nil)
            #expect(await stats(others) == nil)
            mine.close()
            others.close()
        }
    }

    @Test(
        "another token of the same tenant takes the place of a revoked one on an open connection, one of another does not"
    )
    func exchanged() async throws {
        let parties = Parties()
        try await TestServer.with(
            FleetConfiguration(pools: [PoolConfiguration(size: 1)]), access: parties.access, as: parties.second
        ) {
            server, _ in
            let (late, early) = (try await connect(server), try await connect(server))
            let ends = Ends()
            for connection in [late, early] { #expect(await stats(connection, parties.first) == nil) }
            // Before it is revoked: nothing of the connection ends.
            #expect(await stats(early, parties.second) == nil)
            try await watchStats(early, ends, "early")
            parties.revokeFirst()
            #expect(await stats(late)?.code == .unauthenticated)
            #expect(await stats(late, parties.other)?.code == .unauthenticated)
            #expect(await stats(late, parties.second) == nil)
            #expect(await stats(late) == nil)
            #expect(await stats(early) == nil)
            #expect(ends.count() == 0)
            late.close()
            early.close()
        }
    }

    @Test(
        "a resumable program runs on when its caller's token is revoked, and is found with another token of the tenant; others end"
    )
    func programs() async throws {
        let parties = Parties()
        try await TestServer.with(
            FleetConfiguration(pools: [PoolConfiguration(size: 2)]), access: parties.access, as: parties.second
        ) {
            server, owner in
            let revoked = try await server.connect(parties.first)
            var command = Command.shell("read line; echo got $line")
            command.keepsStdinOpen = true
            command.resumable = .seconds(60)
            let resumable = revoked.execute(command)
            let id = try await resumable.id
            let plain = revoked.execute(.shell("echo began; sleep 60"))
            _ = try await plain.id
            #expect(server.service.executionCount == 2)
            parties.revokeFirst()
            let error = await refusal { for try await _ in plain {} }
            #expect(error?.code == .unauthenticated, "\(error as Any)")
            try await eventually("the plain one is ended") { server.service.executionCount == 1 }
            let again = owner.attach(id)
            _ = try await again.id
            try await again.write(Array("hello\n".utf8))
            #expect(try await again.collect().stdout.text == "got hello\n")
            revoked.close()
        }
    }

    @Test("a token that expires while its connection is open ends its streams within a second, and calls at once")
    func expires() async throws {
        let expiry = time(nil) + 3
        let parties = Parties(expires: expiry)
        try await TestServer.with(
            FleetConfiguration(pools: [PoolConfiguration(size: 1)]), access: parties.access, as: parties.second
        ) {
            server, _ in
            let (ends, connection) = (Ends(), try await connect(server))
            #expect(await stats(connection, parties.first) == nil)
            try await watchStats(connection, ends, "stream")
            let left = Duration.seconds(expiry) - .nanoseconds(Int(Date().timeIntervalSince1970 * 1e9))
            let due = ContinuousClock.now + left
            try await eventually("the stream ends") { ends.count() == 1 }
            let end = try #require(ends.end("stream"))
            #expect(end.error?.code == .unauthenticated)
            #expect(end.at > due - .milliseconds(50) && end.at < due + Self.stated, "\(end.at - due)")
            #expect(await stats(connection)?.code == .unauthenticated)
            connection.close()
        }
    }

    @Test("an expiry that is set in the file later counts for connections that are open")
    func shortened() async throws {
        let parties = Parties()
        try await TestServer.with(
            FleetConfiguration(pools: [PoolConfiguration(size: 1)]), access: parties.access, as: parties.second
        ) {
            server, _ in
            let (ends, connection) = (Ends(), try await connect(server))
            #expect(await stats(connection, parties.first) == nil)
            try await watchStats(connection, ends, "stream")
            func set(_ tenant: String, _ expires: Int) {
                parties.access.set(
                    TokenFile(entries: [
                        TokenEntry(hash: Token.hash(parties.first), tenant: tenant, created: 0, expires: expires)
                    ]))
            }
            set("one", time(nil) + 3600)
            #expect(await stats(connection) == nil)
            set("one", time(nil) + 1)
            try await eventually("the stream ends") { ends.end("stream")?.error?.code == .unauthenticated }
            // Nor does a connection become another tenant's because its token does.
            let second = try await connect(server)
            set("one", time(nil) + 3600)
            #expect(await stats(second, parties.first) == nil)
            set("two", time(nil) + 3600)
            #expect(await stats(second)?.code == .unauthenticated)
            #expect(await stats(second, parties.first)?.code == .unauthenticated)
            connection.close()
            second.close()
        }
    }

    @Test(
        "streams end within a second when their token has an expiry in the past, or another tenant, or its tenant is gone, and those of others go on"
    )
    func changed() async throws {
        for change in ["expired", "moved", "gone"] {
            let parties = Parties()
            try await TestServer.with(
                FleetConfiguration(pools: [PoolConfiguration(size: 1)]), access: parties.access, as: parties.second
            ) { server, _ in
                let (ends, mine, other) = (Ends(), try await connect(server), try await connect(server))
                #expect(await stats(mine, parties.first) == nil)
                #expect(await stats(other, parties.other) == nil)
                try await watchStats(mine, ends, "stream")
                try await watchStats(other, ends, "other")
                let done = ContinuousClock.now
                if change == "gone" {
                    parties.access.set([TenantPolicy(name: "two")])
                } else {
                    let first = TokenEntry(
                        hash: Token.hash(parties.first), tenant: change == "moved" ? "two" : "one", created: 0,
                        expires: change == "expired" ? time(nil) - 1 : nil)
                    parties.access.set(
                        TokenFile(entries: [
                            first, TokenEntry(hash: Token.hash(parties.other), tenant: "two", created: 0),
                        ]))
                }
                try await eventually("the stream ends: \(change)") { ends.count() == 1 }
                let end = try #require(ends.end("stream"), "\(change)")
                #expect(end.error?.code == .unauthenticated && end.at - done < Self.stated, "\(change): \(end)")
                #expect(await stats(mine)?.code == .unauthenticated)
                #expect(
                    await stats(mine, parties.first)?.code == .unauthenticated, "it was the first tenant's connection")
                #expect(await stats(other) == nil && ends.end("other") == nil)
                mine.close()
                other.close()
            }
        }
    }

    @Test(
        "a stream that begins with another token, before the news of the first one's loss, does not end with the others"
    )
    func overtakes() async throws {
        let now = Mutex(time(nil))
        let parties = Parties(expires: time(nil) + 200, now: { now.withLock { $0 } })
        try await TestServer.with(
            FleetConfiguration(pools: [PoolConfiguration(size: 1)]), access: parties.access, as: parties.second
        ) { server, _ in
            let (ends, connection) = (Ends(), try await connect(server))
            #expect(await stats(connection, parties.first) == nil)
            try await watchStats(connection, ends, "old")
            // No timer has noticed.
            now.withLock { $0 += 201 }
            try await watchStats(connection, ends, "new", parties.second)
            try await eventually("the old one ends") { ends.end("old") != nil }
            #expect(ends.end("old")?.error?.code == .unauthenticated)
            // The news of a change.
            parties.revokeFirst()
            #expect(await stats(connection) == nil)
            #expect(ends.end("new") == nil)
            connection.close()
        }
    }

    @Test("a connection whose caller was lost is closed when nobody says hello again in time")
    func closed() async throws {
        let parties = Parties()
        try await TestServer.with(
            FleetConfiguration(pools: [PoolConfiguration(size: 1)]), access: parties.access,
            helloTimeout: .milliseconds(500), as: parties.second
        ) { server, _ in
            let connection = try await connect(server)
            #expect(await stats(connection, parties.first) == nil)
            let before = server.rpc.connectionCount
            parties.revokeFirst()
            #expect(await stats(connection)?.code == .unauthenticated)
            try await eventually("it is closed") { server.rpc.connectionCount == before - 1 }
            connection.close()
        }
    }
}
