// SPDX-License-Identifier: Apache-2.0

import Access
import Berth
import BerthRPC
import BerthSchema
import Foundation
import Pool
import Service
import Testing
import TestSupport

/// What counts as CPU time of a tenant: in a member whose control group counts it, and in one where only the agent does.
extension TenantTests {
    @Test("CPU time of a leased member counts for its tenant, whatever uses it, once, and until the lease ends")
    func ofMember() async throws {
        let (parties, count) = (Parties(), CPUMeter.Count())
        let tenant = try #require(parties.access.tenant("one"))
        var pool = PoolConfiguration(size: 1)
        pool.max = 1
        try await TestServer.with(
            FleetConfiguration(pools: [pool]), access: parties.access, as: parties.one, cpu: count
        ) { server, owner in
            count.add(microseconds: 50_000_000)
            let lease = try await owner.acquire()
            #expect(tenant.use.cpuMicroseconds == 0, "of the start of the member")
            // Nothing is running, as far as the server knows.
            count.add(microseconds: 1_500_000)
            server.service.countCPUTime()
            server.service.countCPUTime()
            #expect(tenant.use.cpuMicroseconds == 1_500_000)
            // The end of a program tells what the member has used, and not what the agent says of the program besides.
            count.add(microseconds: 250_000)
            let burnt = try await owner.run(.shell("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"), in: lease)
            #expect(burnt.ended.usage.userMicroseconds + burnt.ended.usage.systemMicroseconds > 0)
            #expect(tenant.use.cpuMicroseconds == 1_750_000)
            let context = try await owner.openContext("python", in: lease, cwd: "/tmp")
            _ = try await owner.run("sum(range(100000))", in: context)
            count.add(microseconds: 250_000)
            try await owner.release(lease)
            let other = try await server.connect(parties.two)
            let next = try await other.acquire()
            #expect(tenant.use.cpuMicroseconds == 2_000_000)
            count.add(microseconds: 10)
            server.service.countCPUTime()
            try await other.release(next)
            #expect(tenant.use.cpuMicroseconds == 2_000_000)
            #expect(parties.access.tenant("two")?.use.cpuMicroseconds == 10)
            other.close()
        }
    }

    @Test("an execution without a lease leaves nothing uncounted, and what it has used is known when its end is")
    func withoutLease() async throws {
        let (parties, count) = (Parties(), CPUMeter.Count())
        let tenant = try #require(parties.access.tenant("one"))
        try await TestServer.with(
            FleetConfiguration(pools: [PoolConfiguration(size: 1)]), access: parties.access, as: parties.one, cpu: count
        ) { _, owner in
            var command = Command.shell("echo began; read line")
            command.keepsStdinOpen = true
            let running = owner.execute(command)
            _ = try await running.id
            let before = tenant.use.cpuMicroseconds
            count.add(microseconds: 3_000_000)
            try await running.closeInput()
            _ = try await running.collect()
            #expect(tenant.use.cpuMicroseconds == before + 3_000_000)
        }
    }

    @Test("what runs on without an execution meets its tenant's limit: nothing begins, and its lease is not extended")
    func endless() async throws {
        let (parties, count) = (Parties({ $0.cpuSecondsPerDay = 2 }), CPUMeter.Count())
        try await TestServer.with(
            FleetConfiguration(pools: [PoolConfiguration(size: 1)]), access: parties.access, as: parties.one, cpu: count
        ) { server, owner in
            let lease = try await owner.acquire(leaseTime: .seconds(1))
            let context = try await owner.openContext("sh", in: lease, cwd: "/tmp")
            count.add(microseconds: 2_000_000)
            // Not known yet.
            _ = try await owner.renew(lease)
            server.service.countCPUTime()
            let piece = await refusal { _ = try await owner.run("true", in: context) }
            #expect(piece?.reason == .tenantLimit && piece?.message.contains("cpu_seconds_per_day") == true)
            let renewed = await refusal { _ = try await owner.renew(lease) }
            #expect(renewed?.reason == .tenantLimit, "\(renewed as Any)")
            // Each look is a use of it.
            try await eventually("it ends") {
                await refusal { _ = try await owner.contexts(in: lease) }?.reason == .noSuchLease
            }
        }
    }

    @Test("where only the agent counts, what a context has done beside its pieces is counted at its end, and they once")
    func besidePieces() async throws {
        let parties = Parties()
        let tenant = try #require(parties.access.tenant("one"))
        let path = "/tmp/berth-burnt-\(UUID().uuidString)"
        defer { unlink(path) }
        try await TestServer.with(
            FleetConfiguration(pools: [PoolConfiguration(size: 1)]), access: parties.access, as: parties.one
        ) { _, owner in
            let lease = try await owner.acquire()
            let context = try await owner.openContext("python", in: lease, cwd: "/tmp")
            let piece = try await owner.run(
                """
                import threading, time
                while time.process_time() < 0.3: pass
                def burn():
                    begun = time.thread_time()
                    while time.thread_time() < begun + 0.5: pass
                    open("\(path)", "w").close()
                threading.Thread(target=burn).start()
                """, in: context)
            let ofPiece = piece.ended.usage.userMicroseconds + piece.ended.usage.systemMicroseconds
            #expect(tenant.use.cpuMicroseconds == ofPiece)
            try await eventually("the thread has ended") { FileManager.default.fileExists(atPath: path) }
            try await owner.closeContext(context)
            try await eventually("the interpreter's end is known") { tenant.use.cpuMicroseconds > ofPiece }
            let all = tenant.use.cpuMicroseconds
            // The thread, the start of the interpreter, and not the piece again.
            #expect(
                all >= ofPiece + 450_000 && all < ofPiece + 500_000 + 300_000, "\(all) of it \(ofPiece) in the piece")
            try await owner.release(lease)
        }
    }
}
