// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import TestSupport
import Testing

@Suite("Contexts of the client", .timeLimit(.minutes(1)))
struct ContextTests {
    @Test("a context whose opening, or copying, was cancelled is closed when it comes all the same")
    func late() async throws {
        try await ScriptedServer.with { server, client in
            let lease = Lease(token: "secret")
            let context = Context(id: "c1", lease: lease)
            let openings: [@Sendable () async throws -> Context] = [
                { try await client.openContext("python", in: lease) }, { try await client.forkContext(context) },
            ]
            for (index, opening) in openings.enumerated() {
                let waiting = Task { try await opening() }
                try await eventually("request \(index)") { server.asked.count == 2 * index + 1 }
                waiting.cancel()
                await #expect(throws: BerthError.self) { _ = try await waiting.value }
                try await server.grantContext("late\(index)")
                let close = CloseContextRequest(lease: "secret", context: "late\(index)")
                try await server.eventuallyAsked("its close") { $0 == .closeContext(close) }
            }
        }
    }
}
