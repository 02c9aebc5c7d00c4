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

/// That a tenant's limits hold for all that it can make run in a container.
extension TenantTests {
    /// What a method makes run. Whoever adds a method says so here.
    private enum Runs {
        case nothing, something
        /// In a context, which counts as long as it is open.
        case inContext
    }

    private static func runs(_ method: PoolService.Method) -> Runs {
        switch method {
        case .execute, .openContext, .forkContext, .connect, .writeFile, .readFile, .listDirectory, .stat,
            .makeDirectory,
            .renameFile, .changeMode, .removeFile, .writeArchive, .readArchive:
            .something
        case .complete, .inspect: .inContext
        case .hello, .acquire, .attach, .detach, .acknowledge, .input, .signal, .resize, .listExecutions, .closeContext,
            .listContexts, .release, .renew, .quota, .stats, .watchStats:
            .nothing
        }
    }

    /// Runs `body` with a limited tenant's lease, a context of it, and a folder.
    private func withWork(
        limits: ServiceLimits = ServiceLimits(), _ change: (inout TenantPolicy) -> Void,
        _ body: (Tenant, BerthClient, ClientConnection, Things) async throws -> Void
    ) async throws {
        let parties = Parties(change)
        let folder = "/tmp/berth-work-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o777])
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await TestServer.with(
            FleetConfiguration(pools: [PoolConfiguration(size: 1)]), limits: limits, access: parties.access,
            as: parties.one
        ) { server, owner in
            let lease = try await owner.acquire()
            var things = Things(lease: lease.token, folder: folder)
            things.context = try await owner.openContext("python", in: lease, cwd: "/tmp").id
            let connection = try await connect(server, parties.one)
            try await body(try #require(parties.access.tenant("one")), owner, connection, things)
            connection.close()
            try await owner.release(lease)
        }
    }

    private func limit(_ error: RPCError?) -> String? {
        error?.reason == .tenantLimit && error?.code == .resourceExhausted ? error?.metadata["limit"] : nil
    }

    @Test(
        "every method that makes something run is refused where a tenant's executions, CPU time or output are used up")
    func refusals() async throws {
        try await withWork({ policy in
            (policy.maxExecutions, policy.cpuSecondsPerDay, policy.outputBytesPerDay) = (2, 10, 1000)
        }) { tenant, owner, connection, things in
            #expect(tenant.executions == 1, "the context")
            func expectRefusals(_ name: String, _ kinds: [Runs]) async throws {
                for method in PoolService.Method.allCases where kinds.contains(Self.runs(method)) {
                    let answer = await error(
                        connection, PoolService.name, method.rawValue, isStreaming: method.isStreaming,
                        request(method, things))
                    #expect(limit(answer) == name, "\(method): \(answer as Any)")
                }
                guard kinds.contains(.inContext) else { return }
                let piece = await error(
                    connection, PoolService.name, "Execute", isStreaming: true,
                    ExecuteRequest(lease: things.lease, code: "1", context: things.context))
                #expect(limit(piece) == name, "a piece: \(piece as Any)")
            }
            var command = Command.shell("echo began; read line")
            command.keepsStdinOpen = true
            let running = owner.execute(command)
            _ = try await running.id
            #expect(tenant.executions == 2)
            try await expectRefusals("max_executions", [.something])
            // Not so what runs in the context.
            let inspected = await error(
                connection, PoolService.name, "Inspect", isStreaming: false, request(.inspect, things))
            #expect(inspected == nil, "\(inspected as Any)")
            try await running.closeInput()
            _ = try await running.collect()
            #expect(tenant.executions == 1)
            tenant.charge(Tenant.Use(outputBytes: 1000))
            try await expectRefusals("output_per_day", [.something, .inContext])
            tenant.charge(Tenant.Use(cpuMicroseconds: 10_000_000))
            try await expectRefusals("cpu_seconds_per_day", [.something, .inContext])
            #expect(tenant.executions == 1)
        }
    }

    @Test("what has run, has failed or could not begin counts no more, and has been counted once")
    func ends() async throws {
        var limits = ServiceLimits()
        limits.maxContexts = 3
        try await withWork(limits: limits, { $0.maxExecutions = 4 }) { tenant, owner, connection, things in
            // In the second round there are as many contexts as there may be, and the files are there or gone.
            for round in 1...2 {
                for method in PoolService.Method.allCases where Self.runs(method) != .nothing {
                    let answer = await error(
                        connection, PoolService.name, method.rawValue, isStreaming: method.isStreaming,
                        request(method, things))
                    #expect(limit(answer) == nil, "\(method): \(answer as Any)")
                    let contexts = try await owner.contexts(in: Lease(token: things.lease)).count
                    try await eventually("\(method) has ended, round \(round)") { tenant.executions == contexts }
                }
            }
            #expect(tenant.executions == 3)
            // An upload counts until its last piece.
            func write(_ upload: String, _ offset: UInt64, hasMore: Bool) async throws(RPCError) -> WriteFileResponse {
                let request = WriteFileRequest(
                    lease: things.lease, path: SystemString("\(things.folder)/u"), data: [1],
                    hasMore: hasMore, upload: upload, offset: offset)
                return try await connection.unary(PoolService.writeFile, request)
            }
            let upload = try await write("", 0, hasMore: true).upload
            #expect(tenant.executions == 4)
            #expect(
                limit(await error(connection, PoolService.name, "Stat", isStreaming: false, request(.stat, things)))
                    == "max_executions")
            _ = try await write(upload, 1, hasMore: false)
            #expect(tenant.executions == 3)
        }
    }

    @Test(
        "a busy context refuses a piece, a completion and a copy, none of which counts then, and a closed one does not")
    func busy() async throws {
        try await withWork({ _ in }) { tenant, owner, connection, things in
            let lease = Lease(token: things.lease)
            let piece = ExecuteRequest(
                lease: things.lease, code: "import time; time.sleep(60)", context: things.context)
            let (events, sink) = AsyncStream.makeStream(of: Void.self)
            connection.stream(service: PoolService.name, method: "Execute", piece) { _ in sink.yield() }
            for await _ in events { break }
            #expect(tenant.executions == 1, "the piece runs in the context, which counts")
            for method in [PoolService.Method.complete, .inspect, .forkContext] {
                let answer = await error(
                    connection, PoolService.name, method.rawValue, isStreaming: false, request(method, things))
                #expect(answer?.reason == .contextBusy, "\(method): \(answer as Any)")
            }
            #expect(tenant.executions == 1)
            let open = try await owner.openContext("sh", in: lease, cwd: "/tmp")
            #expect(tenant.executions == 2)
            try await owner.closeContext(open)
            #expect(tenant.executions == 1)
            let failed = await refusal { _ = try await owner.openContext("sh", in: lease, cwd: "/nowhere") }
            #expect(failed?.reason == .contextStartFailed, "\(failed as Any)")
            #expect(tenant.executions == 1)
        }
    }
}
