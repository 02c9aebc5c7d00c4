// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Foundation
import Pool
import Service
import Testing
import TestSupport

@Suite("Calls and what they refuse")
struct CallTests {
    @Test("Hello names the server and its pools")
    func hello() async throws {
        try await TestServer.with { _, client in
            let hello = try await client.hello()
            #expect(hello.server == "berth/test")
            #expect(hello.pools == ["default"])
        }
    }

    @Test("Stats follows a member's life")
    func stats() async throws {
        try await TestServer.with(PoolConfiguration(size: 2)) { _, client in
            try await eventually("two idle members") { try await client.stats().pools[0].idle == 2 }
            let lease = try await client.acquire()
            #expect(lease.isWarm)
            var pool = try await client.stats().pools[0]
            #expect(pool.leased == 1)
            #expect(pool.leases == 1)
            #expect(pool.breaker == .closed)
            try await client.release(lease)
            try await eventually("its removal and the refill") {
                pool = try await client.stats().pools[0]
                return pool.destroyed == 1 && pool.idle == 2
            }
            #expect(pool.creates == 3)
            let stats = try await client.stats()
            #expect(stats.connections == 1)
            #expect(stats.runtime == "process")
        }
    }

    @Test("a wrong or ended lease is not found, on every call, with the same words")
    func wrongLease() async throws {
        try await TestServer.with { _, client in
            let ended = try await client.acquire()
            try await client.release(ended)
            try await client.release(ended)
            var wrong = ended
            wrong.token = String(repeating: "0", count: 32)
            var garbled = ended
            garbled.token = "no token"
            let expected = BerthError(.notFound, "no such lease, or it has ended", .noSuchLease)
            for lease in [wrong, garbled] {
                #expect(await refusal { try await client.release(lease) } == expected)
            }
            for lease in [ended, wrong, garbled] {
                #expect(
                    await refusal { _ = try await client.execute(Command(["true"]), in: lease).collect() } == expected)
            }
        }
    }

    @Test("requests that can't be right are refused in words")
    func invalid() async throws {
        try await TestServer.with { _, client in
            let cases: [(Command, String)] = [
                (Command([]), "argv is empty"),
                (Command([""]), "argv[0] is empty"),
                (Command(["true"], cwd: "relative"), "cwd \"relative\" is not absolute"),
                (Command(["true"], env: ["": "x"]), "env has the name \"\""),
                (Command(["true"], env: ["A=B": "x"]), "env has the name \"A=B\""),
                (Command(["true"], uid: .max), "uid 4294967295 is not a valid user id"),
                (Command(["true"], timeout: .seconds(1_000_000)), "timeout_ms is 1000000000, more than the longest"),
            ]
            for (command, words) in cases {
                let error = await refusal { _ = try await client.execute(command).collect() }
                #expect(error?.code == .invalidArgument)
                #expect(error?.message.contains(words) == true, "\(String(describing: error))")
            }
            let unknown = await refusal { _ = try await client.acquire(pool: "nope") }
            #expect(unknown == BerthError(.notFound, "there is no pool \"nope\"; there is: default", .noSuchPool))
        }
    }

    @Test("an acquire that waits too long says so; who comes after a release is served")
    func waiting() async throws {
        try await TestServer.with(PoolConfiguration(size: 1, max: 1)) { _, client in
            let lease = try await client.acquire()
            let error = await refusal { _ = try await client.acquire(wait: .milliseconds(50)) }
            #expect(error?.code == .resourceExhausted)
            #expect(error?.message.contains("the pool has its most members (1)") == true)
            async let next = client.acquire()
            try await client.release(lease)
            let second = try await next
            #expect(!second.isWarm)
            #expect(second.member != lease.member)
        }
    }

    @Test("a runtime that fails every create gets one, however many ask; each is told cause and next try")
    func failingRuntime() async throws {
        try await TestServer.with(PoolConfiguration(size: 0)) { server, client in
            server.runtime.fail(RuntimeError(.imageMissing, "no such image: python:3.9-slim"))
            let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
            for index in 0..<10_000 {
                let error = await refusal { _ = try await client.acquire() }
                guard error?.code == .unavailable else {
                    Issue.record("ask \(index): \(String(describing: error))")
                    break
                }
                if index > 0 { continue }
                #expect(error?.message.contains("image missing: no such image: python:3.9-slim; next try in") == true)
            }
            #expect(server.runtime.created == 1)
            #expect(try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count <= descriptors + 2)
            let pool = try await client.stats().pools[0]
            #expect(pool.breaker == .open)
            #expect(pool.cause == "image missing")
            #expect(pool.failuresInRow == 1)
            #expect(pool.nextTryInMilliseconds > 200_000)
        }
    }

    @Test("a caller whose connection closes leaves the line, and the next one is served")
    func vanishedCaller() async throws {
        try await TestServer.with(PoolConfiguration(size: 0, max: 1)) { server, client in
            let held = try await client.acquire()
            let other = try await BerthClient.connect(to: server.address)
            let vanishing = Task { try await other.acquire() }
            try await eventually("it is in line") { try await client.stats().pools[0].waiters == 1 }
            let next = Task { try await client.acquire() }
            try await eventually("both are in line") { try await client.stats().pools[0].waiters == 2 }
            other.close()
            try await eventually("it has left") { try await client.stats().pools[0].waiters == 1 }
            #expect((await refusal { _ = try await vanishing.value })?.code == .unavailable)
            try await client.release(held)
            try await client.release(try await next.value)
            #expect(try await client.stats().pools[0].leases == 2, "none was handed to who had gone")
        }
    }

    @Test("an acquire that is cancelled ends at once, and its lease is given back when it comes")
    func cancelledAcquire() async throws {
        try await TestServer.with(PoolConfiguration(size: 0, max: 1)) { _, client in
            let held = try await client.acquire()
            let task = Task { try await client.acquire() }
            try await eventually("it is in line") { try await client.stats().pools[0].waiters == 1 }
            task.cancel()
            #expect((await refusal { _ = try await task.value })?.code == .cancelled)
            #expect(try await client.stats().pools[0].waiters == 1)
            try await client.release(held)
            try await eventually("its lease has come and gone") {
                let pool = try await client.stats().pools[0]
                return pool.leases == 2 && pool.leased == 0
            }
        }
    }

    @Test("a draining server refuses acquires and executions, and ends what runs as draining")
    func draining() async throws {
        try await TestServer.with { server, client in
            let lease = try await client.acquire()
            let execution = client.execute(.shell("echo ready; sleep 1000"), in: lease)
            var iterator = execution.makeAsyncIterator()
            _ = try await iterator.next()
            _ = try await iterator.next()
            server.service.drain()
            let acquire = await refusal { _ = try await client.acquire() }
            #expect(acquire?.code == .unavailable)
            let execute = await refusal { _ = try await client.execute(Command(["true"]), in: lease).collect() }
            #expect(execute?.code == .unavailable)
            server.service.endAll()
            let end = try await iterator.next()
            guard case .ended(let ended) = end else { Issue.record("no end: \(String(describing: end))"); return }
            #expect(ended.cause == .draining)
        }
    }

    @Test("addresses are told from what is none")
    func addresses() throws {
        #expect(try ServerAddress("127.0.0.1:7411") == .tcp(host: "127.0.0.1", port: 7411))
        #expect(try ServerAddress(":80") == .tcp(host: "127.0.0.1", port: 80))
        #expect(try ServerAddress("[::1]:80") == .tcp(host: "::1", port: 80))
        #expect(try ServerAddress("unix:/run/b.sock") == .unix(path: "/run/b.sock"))
        #expect(try ServerAddress("unix:///run/b.sock") == .unix(path: "/run/b.sock"))
        for text in ["", "localhost", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:65536", "::1:80", "unix:"] {
            #expect(throws: BerthError.self, "\(text)") { try ServerAddress(text) }
        }
    }
}
