// SPDX-License-Identifier: Apache-2.0

import Foundation
import Pool
import TestSupport
import Testing

@testable import Embedded
@testable import Housekeeping
@testable import Runc

/// Item B11.
@Suite("What containers can have the runtime log", .serialized)
struct LogTests {
    @Test(
        "B11: agents that write to their standard error are told of ten times, and then counted",
        arguments: Bench.Kind.allCases)
    func standardError(_ kind: Bench.Kind) async throws {
        let lines = LoggedLines()
        let agent = "/tmp/berth-noisy-\(UUID().uuidString.prefix(8))"
        defer { unlink(agent) }
        try Files.write(agent, "#!/bin/sh\necho noise >&2\necho up\nwhile read -r line; do :; done\n".utf8, mode: 0o755)
        try await Bench.with("noise", kind, agent: agent, logger: lines.logger) {
            bench in
            for number in 0..<14 {
                let (_, output) = try await bench.runtime.create(MemberID("m\(number)"), .init(image: "host")).take()
                // Its word on standard output comes after that on standard error.
                var byte: UInt8 = 0
                #expect(read(output, &byte, 1) == 1)
                close(output)
                try await bench.runtime.remove(MemberID("m\(number)"))
            }
        }
        let words = "a container's agent wrote to its standard error"
        #expect(lines.all.count { $0 == words } == 10, "\(lines.all)")
    }
}
