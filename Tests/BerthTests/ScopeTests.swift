// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Testing
import TestSupport

@Suite("Clients and leases for the length of a closure", .timeLimit(.minutes(1)))
struct ScopeTests {
    private struct Stop: Error {}

    private static let releases = [ScriptedServer.Asked.release(ReleaseRequest(lease: "secret"))]

    private func releases(_ server: ScriptedServer) -> [ScriptedServer.Asked] {
        server.asked.filter { if case .release = $0 { true } else { false } }
    }

    @Test("withClient closes the client when its closure returns, and when it throws")
    func withClient() async throws {
        try await ScriptedServer.with { server, _ in
            let client = try await BerthClient.withClient(address: server.address) { client in
                let hello = try await client.hello()
                #expect(hello.server == "scripted")
                return client
            }
            await #expect(throws: BerthError.self) { _ = try await client.hello() }
            await #expect(throws: Stop.self) {
                try await BerthClient.withClient(address: server.address) { _ in throw Stop() }
            }
        }
    }

    @Test("withLease releases the lease when its closure returns, and gives its value")
    func returns() async throws {
        try await ScriptedServer.with { server, client in
            let member = try await client.withLease(pool: "python", leaseTime: .seconds(7)) { lease in
                #expect(releases(server).isEmpty)
                return lease.member
            }
            #expect(member == "m")
            #expect(
                server.asked == [.acquire(AcquireRequest(pool: "python", ttlMilliseconds: 7000))] + Self.releases)
        }
    }

    @Test("withLease releases the lease when its closure throws")
    func throwing() async throws {
        try await ScriptedServer.with { server, client in
            await #expect(throws: Stop.self) { try await client.withLease { _ in throw Stop() } }
            #expect(releases(server) == Self.releases)
        }
    }

    @Test("withLease releases the lease when its task is cancelled")
    func cancelled() async throws {
        try await ScriptedServer.with { server, client in
            let holding = Task {
                try await client.withLease { lease in
                    try await client.run(Command(["sleep", "60"]), in: lease)
                }
            }
            try await server.stream().send(.start)
            holding.cancel()
            await #expect(throws: CancellationError.self) { _ = try await holding.value }
            #expect(releases(server) == Self.releases)
        }
    }

    @Test("withLease does not wait for a server that is gone to release what is gone with it")
    func lost() async throws {
        try await ScriptedServer.with { server, _ in
            var configuration = BerthClient.Configuration()
            configuration.connectTimeout = .seconds(3600)
            let client = try BerthClient(address: server.address, configuration: configuration)
            await #expect(throws: BerthError.self) {
                try await client.withLease { lease in
                    let execution = client.execute(Command(["x"]), in: lease)
                    try await server.stream().cutConnection()
                    _ = try await execution.collect()
                }
            }
            #expect(releases(server).isEmpty)
            client.close()
        }
    }
}
