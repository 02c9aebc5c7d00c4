// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import TestSupport

/// One probe in members of the same template on different runtimes, item by item: what differs is listed with its reason, or
/// is a fault.
@Suite("What a program and the agent can see of their container", .serialized)
struct ParityTests {
    @Test("two members of one runtime are alike", arguments: Runtime.allCases)
    func alike(_ runtime: Runtime) async throws {
        let seen = try await Sightings.of(runtime)
        try #require(seen.members.count == 2)
        let report = SightingComparison(seen.members[0], seen.members[1], known: []).report
        #expect(report == "", "\(runtime), two members:\n\(report)")
    }

    @Test(
        "a member of another runtime differs from one of runc in what is listed, and in nothing else",
        arguments: Runtime.allCases.filter { $0 != .runc })
    func likeRunc(_ runtime: Runtime) async throws {
        let (runc, other) = (try await Sightings.of(.runc), try await Sightings.of(runtime))
        let comparison = SightingComparison(
            try #require(runc.members.first), try #require(other.members.first),
            known: KnownDifference.fromRunc(to: runtime))
        #expect(comparison.report == "", "runc → \(runtime):\n\(comparison.report)")
    }

    @Test("the probe sees what the template asks for", arguments: Runtime.allCases)
    func limits(_ runtime: Runtime) async throws {
        let member = try #require(try await Sightings.of(runtime).members.first)
        for place in ["agent", "program"] {
            func seen(_ item: String) -> String? { member["\(place): \(item)"] }
            // Descriptors, core dumps, message queues, locked memory: RLIMIT_NOFILE, _CORE, _MSGQUEUE, _MEMLOCK.
            #expect(seen("rlimit 7") == "777 777")
            #expect(seen("rlimit 4") == "0 0")
            #expect(seen("rlimit 12") == "262144 262144")
            #expect(seen("rlimit 8") == "65536 65536")
            #expect(seen("status NoNewPrivs") == "1")
            #expect(seen("status Seccomp") == "2")
            #expect(seen("status CapBnd") == "00000000000000e0")
            #expect(seen("status CapEff") == (place == "agent" ? "00000000000000e0" : "0000000000000000"))
            for kind in ["ipc", "mnt", "net", "pid", "uts"] { #expect(seen("namespace \(kind)") == "its own") }
            for kind in ["user", "time"] { #expect(seen("namespace \(kind)") == "the host's") }
            #expect(seen("connect 127.0.0.1") == "ok")
            #expect(seen("writable settings") == "0")
            #expect(seen("call 16") == "EBADF")
            #expect(seen("clone flag 0x20000") == "EPERM")
            #expect(seen("hostname") == "MEMBER")
        }
    }
}

/// What the probe told in the members of one server.
struct Sightings {
    /// By item, which begins with "agent: " or "program: ".
    var members: [[String: String]]

    private static let cache = Cache()

    /// A server of each runtime is asked once in a run.
    static func of(_ runtime: Runtime) async throws -> Sightings {
        try await cache.get(runtime)
    }

    private actor Cache {
        private var known: [Runtime: Sightings] = [:]

        func get(_ runtime: Runtime) async throws -> Sightings {
            if let found = known[runtime] { return found }
            let found = try await ParityProbe.observe(runtime)
            known[runtime] = found
            return found
        }
    }
}
