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

/// Item H40: a client can cause every reason of the contract, and gets it with the code that the contract gives.
@Suite("Every reason of the contract is sent", .serialized)
struct EveryReasonTests {
    @Test(
        "H40: the server sends it, with the code of the contract",
        arguments: ErrorReason.allCases)
    func sent(_ reason: ErrorReason) async throws {
        let error = try await provoke(reason)
        #expect(error?.reason?.name == reason.protoName, "\(String(describing: error))")
        #expect(error?.code == Self.code(of: reason), "\(String(describing: error))")
    }

    /// The code from the comments in pool.proto.
    private static func code(of reason: ErrorReason) -> BerthError.Code {
        switch reason {
        case .noSuchFile, .noSuchLease, .noSuchExecution, .noSuchPool, .noSuchContext: .notFound
        case .isADirectory, .notADirectory, .alreadyExists, .directoryNotEmpty, .notAFile, .tooManyLinks, .inputEnded,
            .inputGap, .noTerminal, .contextBusy, .contextStartFailed, .connectionRefused, .notASocket:
            .failedPrecondition
        case .readOnly, .outside, .notPermitted, .operatorOnly: .permissionDenied
        case .unknownCaller: .unauthenticated
        case .nameTooLong, .badArchive: .invalidArgument
        case .noSpace, .executionLimit, .backgroundLimit, .waiterLimit, .clientLimit, .memoryLimit, .messageTooLarge,
            .contextLimit, .connectionLimit, .tenantLimit:
            .resourceExhausted
        case .breakerOpen, .shuttingDown, .drainingPool: .unavailable
        }
    }

    private func ofTenants(_ reason: ErrorReason) async throws -> BerthError? {
        var random = SystemRandomNumberGenerator()
        let token = Token.make(using: &random)
        var policy = TenantPolicy(name: "one")
        policy.maxLeases = 1
        let tokens = TokenFile(entries: [TokenEntry(hash: Token.hash(token), tenant: "one", created: 0)])
        let access = AccessControl([policy], tokens, ownUser: 4_000_000, seconds: { time(nil) })
        var error: BerthError?
        try await TestServer.with(
            FleetConfiguration(pools: [PoolConfiguration(size: 1)]), access: access,
            as: reason == .unknownCaller ? nil : token
        ) { _, client in
            error = await refusal {
                switch reason {
                case .operatorOnly: _ = try await client.members()
                default:
                    _ = try await client.acquire()
                    _ = try await client.acquire()
                }
            }
        }
        return error
    }

    /// Causes the reason. Whoever adds a reason must add here how to cause it.
    private func provoke(_ reason: ErrorReason) async throws -> BerthError? {
        switch reason {
        case .noSuchFile: try await inFiles { _ = try await $0.stat("\($2)/none", in: $1) }
        case .isADirectory: try await inFiles { try await $0.writeFile($2, [1], in: $1) }
        case .notADirectory:
            try await inFiles {
                try await $0.writeFile("\($2)/f", [1], in: $1)
                try await $0.makeDirectory("\($2)/f/d", in: $1)
            }
        case .alreadyExists: try await inFiles { try await $0.makeDirectory($2, in: $1) }
        case .directoryNotEmpty:
            try await inFiles {
                try await $0.makeDirectory("\($2)/d/e", in: $1, createsParents: true)
                try await $0.remove("\($2)/d", in: $1)
            }
        case .notAFile: try await inFiles { client, lease, _ in try await read("/dev/null", client, lease) }
        case .readOnly:
            try await inFiles(mount: "mode=0777", readOnly: true) { try await $0.writeFile("\($2)/f", [1], in: $1) }
        case .outside:
            try await inFiles { client, lease, _ in try await client.writeFile("/proc/self/comm", [1], in: lease) }
        case .notPermitted: try await inFiles { client, lease, _ in try await read("/etc/shadow", client, lease) }
        case .noSpace:
            try await inFiles(mount: "mode=0777,size=64k") {
                try await $0.writeFile("\($2)/f", [UInt8](repeating: 1, count: 200_000), in: $1)
            }
        case .tooManyLinks:
            try await inFiles { client, lease, here in
                _ = try await client.execute(.shell("ln -s loop \(here)/loop"), in: lease).collect()
                try await read("\(here)/loop", client, lease)
            }
        case .nameTooLong:
            try await inFiles { _ = try await $0.stat("\($2)/\(String(repeating: "x", count: 300))", in: $1) }
        case .badArchive:
            try await inFiles { try await $0.writeArchive(into: $2, [UInt8](repeating: 7, count: 1024), in: $1) }
        case .noSuchLease, .noSuchExecution, .noSuchPool, .shuttingDown, .drainingPool, .breakerOpen:
            try await ofLeases(reason)
        case .executionLimit, .backgroundLimit, .waiterLimit, .clientLimit, .memoryLimit, .messageTooLarge:
            try await ofLimits(reason)
        case .inputEnded, .inputGap, .noTerminal: try await ofInput(reason)
        case .unknownCaller, .operatorOnly, .tenantLimit: try await ofTenants(reason)
        case .noSuchContext, .contextLimit, .contextBusy, .contextStartFailed: try await ofContexts(reason)
        case .connectionRefused:
            try await inFiles { client, lease, _ in _ = try await client.connect(port: 1, in: lease) }
        case .notASocket:
            try await inFiles { client, lease, here in
                try await client.writeFile("\(here)/f", [1], in: lease)
                _ = try await client.connect(unix: "\(here)/f", in: lease)
            }
        case .connectionLimit: try await ofLimits(reason)
        }
    }

    // MARK: Files

    /// The error of `body`, which gets a temporary directory.
    /// - Parameter mount: options of a tmpfs that is mounted there.
    private func inFiles(
        mount options: String? = nil, readOnly: Bool = false,
        _ body: (BerthClient, Lease, String) async throws -> Void
    ) async throws -> BerthError? {
        let here = "/tmp/berth-reason-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: here, withIntermediateDirectories: false)
        try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: here)
        defer { try? FileManager.default.removeItem(atPath: here) }
        if let options {
            guard mount("tmpfs", here, "tmpfs", readOnly ? UInt(MS_RDONLY) : 0, options) == 0 else {
                throw MissingPart("the right to mount (the tests run as root)")
            }
        }
        defer { if options != nil { umount2(here, Int32(MNT_DETACH)) } }
        var error: BerthError?
        try await TestServer.with { _, client in
            let lease = try await client.acquire()
            error = await refusal { try await body(client, lease, here) }
        }
        return error
    }

    private func read(_ path: String, _ client: BerthClient, _ lease: Lease) async throws {
        _ = try await client.readFile(path, in: lease).collect()
    }

    // MARK: Leases

    private func ofLeases(_ reason: ErrorReason) async throws -> BerthError? {
        var error: BerthError?
        try await TestServer.with { server, client in
            switch reason {
            case .noSuchLease:
                let lease = try await client.acquire()
                try await client.release(lease)
                error = await refusal { _ = try await client.execute(.shell("true"), in: lease).collect() }
            case .noSuchExecution:
                let lease = try await client.acquire()
                error = await refusal { _ = try await client.attach("none", in: lease).collect() }
            case .noSuchPool: error = await refusal { _ = try await client.acquire(pool: "none") }
            case .shuttingDown:
                server.service.drain()
                error = await refusal { _ = try await client.acquire() }
            case .drainingPool:
                _ = try await client.drain(pool: "default")
                error = await refusal { _ = try await client.acquire() }
            case .breakerOpen:
                server.runtime.fail(RuntimeError(.imageMissing, "no such image"))
                // The first create may have been before.
                for _ in 0..<2 where error == nil { error = await refusal { _ = try await client.acquire() } }
                #expect(error?.metadata["retry_after_ms"].flatMap { UInt64($0) } != nil)
            default: Issue.record("\(reason) is none of leases")
            }
        }
        return error
    }

    private func ofContexts(_ reason: ErrorReason) async throws -> BerthError? {
        var error: BerthError?
        var limits = ServiceLimits()
        limits.maxContexts = 1
        try await ContextTests.with("sh", limits: limits) { client, lease, context in
            switch reason {
            case .noSuchContext:
                try await client.closeContext(context)
                error = await refusal { _ = try await client.run("true", in: context) }
            case .contextLimit: error = await refusal { _ = try await client.openContext("sh", in: lease, cwd: "/tmp") }
            case .contextBusy:
                let running = client.execute("sleep 1000", in: context)
                for try await event in running { if case .started = event { break } }
                error = await refusal { _ = try await client.run("true", in: context) }
                running.kill()
            case .contextStartFailed:
                try await client.closeContext(context)
                error = await refusal { _ = try await client.openContext("sh", in: lease, cwd: "/none") }
            default: Issue.record("\(reason) is none of contexts")
            }
        }
        return error
    }

    // MARK: Limits

    private func ofLimits(_ reason: ErrorReason) async throws -> BerthError? {
        var fleet = FleetConfiguration(pools: [PoolConfiguration(size: 1, max: 1)])
        var limits = ServiceLimits()
        var memory = MemoryBudget(limit: 256 << 20)
        switch reason {
        case .executionLimit: limits.maxExecutionsPerLease = 1
        case .connectionLimit: limits.maxConnectionsPerLease = 0
        case .waiterLimit: fleet.maxWaiters = 1
        case .clientLimit: fleet.maxPerClient = 1
        // Less than a program's first ring and window.
        case .memoryLimit: memory = MemoryBudget(limit: 100_000)
        default: break
        }
        var error: BerthError?
        try await TestServer.with(fleet, limits: limits, memory: memory) { server, client in
            if reason == .messageTooLarge {
                error = try tooLarge(server.address)
                return
            }
            let lease = try await client.acquire()
            let program = { Command.shell("true") }
            switch reason {
            case .executionLimit:
                let running = client.execute(.shell("sleep 1000"), in: lease)
                for try await event in running { if case .started = event { break } }
                error = await refusal { _ = try await client.execute(program(), in: lease).collect() }
                running.kill()
            case .backgroundLimit:
                var command = Command.shell("sleep 1000 &")
                command.keepsBackground = true
                // As many as the agent keeps; each is among them a moment after its end was told.
                for _ in 0..<200 where error == nil {
                    error = await refusal { _ = try await client.execute(command, in: lease).collect() }
                }
            case .waiterLimit:
                let waiter = Task { _ = try? await client.acquire(wait: .seconds(30)) }
                try await eventually("one waits") { try await client.stats().pools[0].waiters == 1 }
                error = await refusal { _ = try await client.acquire(wait: .seconds(30)) }
                waiter.cancel()
                await waiter.value
            case .clientLimit: error = await refusal { _ = try await client.acquire() }
            case .connectionLimit: error = await refusal { _ = try await client.connect(port: 1, in: lease) }
            case .memoryLimit: error = await refusal { _ = try await client.execute(program(), in: lease).collect() }
            default: Issue.record("\(reason) is no limit")
            }
        }
        return error
    }

    /// Sends a request that no client library would send: its frame exceeds the maximum by one byte.
    private func tooLarge(_ address: ServerAddress) throws -> BerthError? {
        guard case .tcp(_, let port) = address else { throw NeverHappened(description: "no port") }
        let connection = try RawSocket(port: port)
        // Length, stream, type (a request), flags.
        try connection.send([0, 0x40, 0, 1, 0, 0, 0, 1, 1, 0] + [UInt8](repeating: 0, count: (4 << 20) + 1))
        let response = try Response(decoding: try connection.receiveFrame().data)
        let refused = try #require(response.status)
        return BerthError(
            BerthError.Code(rawValue: refused.code), refused.message,
            refused.info.map { BerthError.Reason(name: $0.reason) })
    }

    // MARK: Input

    private func ofInput(_ reason: ErrorReason) async throws -> BerthError? {
        var refused: RPCError?
        try await TestServer.with { server, client in
            let lease = try await client.acquire()
            let connection = try await RawConnection.open(server)
            let stream = connection.execute(
                ExecuteRequest(lease: lease.token, shell: "sleep 1000", cwd: "/tmp", keepsStdinOpen: true))
            _ = try await stream.next()
            let execution = try #require(stream.started).execution
            do {
                switch reason {
                case .inputGap:
                    let _: InputResponse = try await connection.call(
                        "Input", InputRequest(lease: lease.token, execution: execution, offset: 5, data: [1]))
                case .inputEnded:
                    let _: InputResponse = try await connection.call(
                        "Input", InputRequest(lease: lease.token, execution: execution, data: [1], isEnd: true))
                    let _: InputResponse = try await connection.call(
                        "Input", InputRequest(lease: lease.token, execution: execution, offset: 1, data: [1]))
                case .noTerminal:
                    let _: Empty = try await connection.call(
                        "Resize",
                        ResizeTerminalRequest(
                            lease: lease.token, execution: execution, terminal: Terminal(rows: 24, columns: 80)))
                default: Issue.record("\(reason) is none of input")
                }
            } catch {
                refused = error as? RPCError
            }
            connection.close()
        }
        return refused.map {
            BerthError(
                BerthError.Code(rawValue: $0.code.rawValue), $0.message,
                $0.reason.map { BerthError.Reason(name: $0.protoName) })
        }
    }

    @Test("an upload that leaves a gap, or goes on after its end, has the same reasons as input")
    func uploads() async throws {
        let directory = "/tmp/berth-reason-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: directory)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await TestServer.with { server, client in
            let lease = try await client.acquire()
            let connection = try await RawConnection.open(server)
            defer { connection.close() }
            let first: WriteFileResponse = try await connection.call(
                "WriteFile",
                WriteFileRequest(lease: lease.token, path: "\(directory)/f", data: [1], hasMore: true))
            var gap: RPCError?
            do {
                let _: WriteFileResponse = try await connection.call(
                    "WriteFile",
                    WriteFileRequest(
                        lease: lease.token, path: "\(directory)/f", data: [1], hasMore: true, upload: first.upload,
                        offset: 7))
            } catch {
                gap = error as? RPCError
            }
            #expect(gap?.code == .failedPrecondition && gap?.reason == .inputGap, "\(String(describing: gap))")
        }
    }
}
