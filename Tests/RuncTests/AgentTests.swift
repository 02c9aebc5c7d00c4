// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import Pool
import Testing
import TestSupport

@testable import Embedded
@testable import Runc

@Suite("berth-agent as PID 1 without a daemon")
struct AgentTests {
    @Test("the agent answers its first ping over the member's stream, and ends with it", arguments: Bench.Kind.allCases)
    func ping(_ kind: Bench.Kind) async throws {
        let agent = try BuildProducts.program("berth-agent")
        try await Bench.with("agent", kind, agent: agent) { bench in
            let start = ContinuousClock.now
            let member = MemberID("one")
            let (input, output) = try await bench.runtime.create(member, MemberTemplate(image: "host")).take()
            // Stream 1, a unary Request{service, method} of the envelope, written by hand.
            let service = Array("berth.agent.v1.Agent".utf8)
            let method = Array("Ping".utf8)
            let body = [0x0a, UInt8(service.count)] + service + [0x12, UInt8(method.count)] + method
            let request = [0, 0, 0, UInt8(body.count), 0, 0, 0, 1, 1, 0] + body
            #expect(write(output, request, request.count) == request.count)
            var answer: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 4096)
            while answer.count < 10 {
                var end = pollfd(fd: input, events: Int16(POLLIN), revents: 0)
                let isReady = poll(&end, 1, 10_000) > 0
                let count = isReady ? read(input, &buffer, buffer.count) : 0
                guard count > 0 else { break }
                answer += buffer.prefix(count)
            }
            print("create to first ping \(ContinuousClock.now - start)")
            // A Response on stream 1 that begins with a payload, not with a failed status.
            #expect(answer.count > 10 && answer[4..<9].elementsEqual([0, 0, 0, 1, 2]) && answer[10] == 0x12)
            close(output)
            #expect(eventually(within: 10) { bench.runtime.cgroups.isEmpty(member) })
            close(input)
        }
    }
}
