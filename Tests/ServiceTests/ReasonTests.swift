// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Foundation
import Pool
import Service
import Testing
import TestSupport

@Suite("Errors have finer kinds, and limits are told as such")
struct ReasonTests {
    @Test("the kind of an error is a field of it, not its words")
    func reasons() async throws {
        try await TestServer.with { _, client in
            let pool = await refusal { _ = try await client.acquire(pool: "nowhere") }
            #expect(pool?.code == .notFound && pool?.reason == .noSuchPool, "\(String(describing: pool))")
            let lease = try await client.acquire()
            try await client.release(lease)
            let ended = await refusal { _ = try await client.execute(.shell("true"), in: lease).collect() }
            #expect(ended?.code == .notFound && ended?.reason == .noSuchLease, "\(String(describing: ended))")
        }
    }

    @Test(
        "G34: more programs in a lease than it may have are refused as such, and there is room again when one has ended"
    )
    func executions() async throws {
        var limits = ServiceLimits()
        limits.maxExecutionsPerLease = 2
        try await TestServer.with(limits: limits) { server, client in
            let lease = try await client.acquire()
            let connection = try await RawConnection.open(server)
            var streams: [RawStream] = []
            for _ in 0..<2 {
                let stream = connection.execute(
                    ExecuteRequest(lease: lease.token, shell: "read line", cwd: "/tmp", keepsStdinOpen: true))
                _ = try await stream.next()
                streams.append(stream)
            }
            let third = await refusal { _ = try await client.execute(.shell("true"), in: lease).collect() }
            #expect(
                third?.code == .resourceExhausted && third?.reason == .executionLimit, "\(String(describing: third))")
            let started = try #require(streams[0].started)
            let _: InputResponse = try await connection.call(
                "Input", InputRequest(lease: lease.token, execution: started.execution, data: [10], isEnd: true))
            #expect(try await streams[0].finish().cause == .exited)
            try await eventually("there is room") {
                await refusal { _ = try await client.execute(.shell("true"), in: lease).collect() } == nil
            }
            connection.close()
        }
    }
}
