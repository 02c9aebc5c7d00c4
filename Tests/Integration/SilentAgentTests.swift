// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthRPC
import BerthSchema
import Foundation
import NIOCore
import NIOPosix
import Testing
import TestSupport

/// Item D24.
@Suite("An agent that has fallen silent", .serialized)
struct SilentAgentTests {
    /// All calls for files.
    private enum Call: String, CaseIterable {
        case stat, list, read, readArchive, write, writeLarge, writeArchive, makeDirectory, rename, changeMode, remove

        func make(_ client: BerthClient, _ lease: Lease) async throws {
            switch self {
            case .stat: _ = try await client.stat("/tmp/f", in: lease)
            case .list: _ = try await client.list("/tmp", in: lease)
            case .read: _ = try await client.readFile("/tmp/f", in: lease).collect()
            case .readArchive: _ = try await client.readArchive("/tmp", in: lease).collect()
            case .write: try await client.writeFile("/tmp/f", [1], in: lease)
            case .writeLarge: try await client.writeFile("/tmp/f", [UInt8](repeating: 1, count: 1 << 20), in: lease)
            case .writeArchive:
                _ = try await client.writeArchive(into: "/tmp", [UInt8](repeating: 0, count: 1024), in: lease)
            case .makeDirectory: try await client.makeDirectory("/tmp/d", in: lease)
            case .rename: try await client.rename("/tmp/f", to: "/tmp/g", in: lease)
            case .changeMode: try await client.changeMode("/tmp/f", to: 0o600, in: lease)
            case .remove: try await client.remove("/tmp/f", in: lease)
            }
        }
    }

    /// A lease whose agent was stopped, and the process of the agent.
    private func silentLease(_ server: ServerProcess, _ client: BerthClient) async throws -> (Lease, Int32) {
        let lease = try await client.acquire(wait: .seconds(60))
        try await client.writeFile("/tmp/f", [1, 2, 3], in: lease)
        let agent = try await server.agent(of: lease.member)
        #expect(kill(agent, SIGSTOP) == 0)
        return (lease, agent)
    }

    private func withServer(_ body: (ServerProcess, BerthClient) async throws -> Void) async throws {
        let most = "\(Call.allCases.count + 2)"
        let flags = ["--size", "1", "--max", most, "--execution-timeout", "1s"]
        try await ServerProcess.with(.runc, flags) { server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            try await body(server, client)
            // The pool is as well as before.
            let output = try await client.run(Command(["echo", "well"]), wait: .seconds(60))
            #expect(output.text == "well\n")
            let pool = try await client.stats().pools[0]
            #expect(pool.breaker == .closed && pool.createFailures == 0, "\(pool)")
        }
    }

    @Test(
        "D24: each call about files ends with UNAVAILABLE in the time that it has, its grace and 10 s; then the lease ends as any"
    )
    func withoutDeadline() async throws {
        try await withServer { server, client in
            var silent: [(lease: Lease, agent: Int32)] = []
            try await withThrowingTaskGroup(of: (Call, BerthError?, Duration).self) { group in
                for call in Call.allCases {
                    let (lease, agent) = try await silentLease(server, client)
                    silent.append((lease, agent))
                    group.addTask {
                        let began = ContinuousClock.now
                        do {
                            try await call.make(client, lease)
                            return (call, nil, ContinuousClock.now - began)
                        } catch {
                            return (call, error as? BerthError, ContinuousClock.now - began)
                        }
                    }
                }
                for try await (call, error, took) in group {
                    #expect(error?.code == .unavailable, "\(call): \(String(describing: error))")
                    // 1 s for it, 2 s of grace, 10 s in which an agent may be late, and what a busy machine takes.
                    #expect(took < .seconds(25), "\(call): \(took)")
                }
            }
            // What is wrong with one call's execution does not take the lease from its caller.
            for (lease, agent) in silent {
                try await client.release(lease)
                try await eventually("the silent agent is gone") { kill(agent, 0) != 0 }
            }
            try await eventually("no lease is left") { try await client.stats().pools[0].leased == 0 }
        }
    }

    @Test("D24: a call with a deadline ends at it, also when the agent is silent")
    func withDeadline() async throws {
        try await withServer { server, client in
            guard case .tcp(let host, let port) = try ServerAddress(server.address) else { return }
            let rpc = try await ClientConnection.connect(
                host: host, port: port, group: MultiThreadedEventLoopGroup.singleton)
            defer { rpc.close() }
            let (lease, agent) = try await silentLease(server, client)
            let began = ContinuousClock.now
            do throws(RPCError) {
                let _: StatResponse = try await rpc.unary(
                    service: PoolService.name, method: "Stat", StatRequest(lease: lease.token, path: "/tmp/f"),
                    timeout: .milliseconds(300))
                Issue.record("it was answered")
            } catch {
                #expect(error.code == .deadlineExceeded, "\(error)")
            }
            #expect(ContinuousClock.now - began < .seconds(5))
            try await client.release(lease)
            try await eventually("the silent agent is gone") { kill(agent, 0) != 0 }
            try await eventually("its lease has ended") {
                do {
                    _ = try await client.stat("/tmp/f", in: lease)
                    return false
                } catch {
                    return (error as? BerthError)?.reason == .noSuchLease
                }
            }
        }
    }
}
