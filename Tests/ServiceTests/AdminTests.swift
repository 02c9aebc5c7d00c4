// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthRPC
import BerthSchema
import Pool
import Service
import Testing
import TestSupport

@Suite("The service Admin")
struct AdminTests {
    @Test("a breaker closed by hand lets the next create be tried at once")
    func resetBackoff() async throws {
        let pools = [PoolConfiguration(name: "a", size: 0), PoolConfiguration(name: "b", size: 0)]
        try await TestServer.with(FleetConfiguration(pools: pools)) { server, client in
            server.runtime.fail(RuntimeError(.imageMissing, "no such image"))
            #expect(await refusal { _ = try await client.acquire(pool: "a") }?.code == .unavailable)
            #expect(try await client.stats().pools.map(\.breaker) == [.open, .closed])
            server.runtime.fail(nil)
            #expect(await refusal { _ = try await client.acquire(pool: "a") }?.code == .unavailable)

            #expect(try await client.resetBackoff(pool: "b").isEmpty)
            #expect(try await client.stats().pools[0].breaker == .open)
            #expect(try await client.resetBackoff() == ["a"])
            #expect(try await client.stats().pools[0].breaker == .closed)
            let lease = try await client.acquire(pool: "a")
            #expect(server.runtime.created == 2)
            try await client.release(lease)
        }
    }

    @Test("a pool follows a new size up and down, and says what it is now")
    func resize() async throws {
        try await TestServer.with(PoolConfiguration(size: 1, max: 4)) { _, client in
            try await eventually("one is idle") { try await client.stats().pools[0].idle == 1 }
            #expect(try await client.resize(pool: "default", size: 3) == (3, 4))
            try await eventually("three are idle") { try await client.stats().pools[0].idle == 3 }
            #expect(try await client.resize(pool: "default", size: 0, max: 2) == (0, 2))
            try await eventually("none is left") { try await client.members().isEmpty }
            let pool = try await client.stats().pools[0]
            #expect(pool.target == 0)
            #expect(pool.max == 2)
            #expect(pool.retired == ["surplus": 3])
        }
    }

    @Test("a size over max, in whichever of the two it is, is refused in words; so is none at all")
    func wrongSizes() async throws {
        let pool = PoolConfiguration(size: 2, max: 4)
        try await TestServer.with(FleetConfiguration(pools: [pool], max: 10)) { _, client in
            let cases: [(size: Int?, max: Int?, words: String)] = [
                (5, nil, "size 5 is more than the pool's max, 4: give a larger max too"),
                (9, 8, "size 9 is more than max 8"),
                (nil, 1, "max 1 is less than the pool's size, 2: give a smaller size too"),
                (0, 0, "max is 0: it is at least 1; Drain takes a pool out of service"),
                (nil, 11, "max 11 is more than the server's most members, 10"),
                (nil, nil, "neither size nor max is given: at least one has to change"),
            ]
            for (size, max, words) in cases {
                let error = await refusal { _ = try await client.resize(pool: "default", size: size, max: max) }
                #expect(error == BerthError(.invalidArgument, words))
            }
            let stats = try await client.stats().pools[0]
            #expect(stats.target == 2)
            #expect(stats.max == 4)
        }
    }

    @Test("a drained pool refuses acquires and loses what is idle; its lease goes on, and the other pool too")
    func drain() async throws {
        let pools = [PoolConfiguration(name: "a", size: 2), PoolConfiguration(name: "b", size: 1)]
        try await TestServer.with(FleetConfiguration(pools: pools)) { _, client in
            let lease = try await client.acquire(pool: "a")
            #expect(try await client.drain(pool: "a") == 1)
            #expect(try await client.drain(pool: "a") == 1)
            #expect(
                await refusal { _ = try await client.acquire(pool: "a") }
                    == BerthError(.unavailable, "the pool \"a\" is being drained", .drainingPool))
            try await eventually("only the lease is left") {
                try await client.members(pool: "a").map(\.state) == [.leased]
            }
            #expect(try await client.stats().pools.map(\.isDraining) == [true, false])
            #expect(try await client.execute(.shell("echo on"), in: lease).collect().stdout.text == "on\n")
            try await client.release(lease)
            try await client.release(try await client.acquire(pool: "b"))
            try await eventually("a is empty") { try await client.members(pool: "a").isEmpty }
        }
    }

    @Test("members are listed with what they do, of one pool or of all")
    func members() async throws {
        let pools = [PoolConfiguration(name: "a", size: 1), PoolConfiguration(name: "b", size: 1)]
        try await TestServer.with(FleetConfiguration(pools: pools)) { _, client in
            try await eventually("both are warm") {
                try await client.members().filter { $0.state == .idle }.count == 2
            }
            let lease = try await client.acquire(pool: "b")
            let member = try #require(try await client.members(pool: "b").first { $0.id == lease.member })
            #expect(member.pool == "b")
            #expect(member.state == .leased)
            #expect(member.uses == 1)
            #expect(!member.isOutdated)
            #expect(try await client.members(pool: "a").map(\.pool) == ["a"])
        }
    }

    @Test("an unknown pool is answered with the names of those there are; a nameless one is no default here")
    func unknownPools() async throws {
        let pools = [PoolConfiguration(name: "a", size: 0), PoolConfiguration(name: "b", size: 0)]
        try await TestServer.with(FleetConfiguration(pools: pools)) { _, client in
            let unknown = BerthError(.notFound, "there is no pool \"nope\"; there is: a, b", .noSuchPool)
            #expect(await refusal { _ = try await client.resetBackoff(pool: "nope") } == unknown)
            #expect(await refusal { _ = try await client.resize(pool: "nope", size: 1) } == unknown)
            #expect(await refusal { _ = try await client.drain(pool: "nope") } == unknown)
            #expect(await refusal { _ = try await client.members(pool: "nope") } == unknown)
            let unnamed = BerthError(.invalidArgument, "no pool is named; there is: a, b")
            #expect(await refusal { _ = try await client.resize(pool: "", size: 1) } == unnamed)
            #expect(await refusal { _ = try await client.drain(pool: "") } == unnamed)
        }
    }

    @Test("methods that are not there, and those called the wrong way, are told apart")
    func wrongMethods() async throws {
        try await TestServer.with(PoolConfiguration(size: 0)) { server, _ in
            let connection = try await server.connect()
            defer { connection.close() }
            let cases: [(service: String, method: String, isStreaming: Bool, code: RPCError.Code)] = [
                (AdminService.name, "Destroy", false, .unimplemented),
                (AdminService.name, "Acquire", false, .unimplemented),
                (PoolService.name, "Drain", false, .unimplemented),
                ("berth.v1.Nothing", "Drain", false, .unimplemented),
                (AdminService.name, "ListMembers", true, .invalidArgument),
                (PoolService.name, "Stats", true, .invalidArgument),
                (PoolService.name, "Renew", true, .invalidArgument),
                (PoolService.name, "WatchStats", false, .invalidArgument),
                (PoolService.name, "Execute", false, .invalidArgument),
            ]
            for (service, method, isStreaming, code) in cases {
                let error: RPCError? = await withCheckedContinuation { continuation in
                    if isStreaming {
                        connection.stream(service: service, method: method, Empty()) { event in
                            if case .end(let error) = event { continuation.resume(returning: error) }
                        }
                    } else {
                        connection.unary(service: service, method: method, Empty()) { answer in
                            if case .failure(let error) = answer {
                                continuation.resume(returning: error)
                            } else {
                                continuation.resume(returning: nil)
                            }
                        }
                    }
                }
                #expect(error?.code == code, "\(service)/\(method): \(String(describing: error))")
            }
        }
    }
}
