// SPDX-License-Identifier: Apache-2.0

import Foundation
import Hardening
import Pool
import Testing
import TestSupport

/// Item B10.
@Suite("B10: servers of one host never give out the same user ids")
struct UserIDClaimTests {
    private static func withFile(_ body: (String) throws -> Void) rethrows {
        let path = "/tmp/berth-uids-\(UUID().uuidString.prefix(8))"
        defer { unlink(path) }
        try body(path)
    }

    @Test("each takes a part of its own of the same range, and what one gives up another can have")
    func parts() throws {
        try Self.withFile { path in
            let range: ClosedRange<UInt32> = 70_000...99_999
            var claims = try (0..<50).map { _ in try UserIDClaim(of: range, atLeast: 300, path: path) }
            #expect(claims.map(\.range.lowerBound) == (0..<50).map { 70_000 + 600 * $0 })
            #expect(claims.allSatisfy { $0.range.count == 600 && $0.range.upperBound <= 99_999 })
            #expect(throws: RuntimeError.self) { try UserIDClaim(of: range, atLeast: 300, path: path) }
            let freed = claims.remove(at: 4).range
            #expect(try UserIDClaim(of: range, atLeast: 300, path: path).range == freed)
        }
    }

    @Test("where no full share is left, what is needed is enough; other ranges are counted as far as they overlap")
    func small() throws {
        try Self.withFile { path in
            let first = try UserIDClaim(of: 100...199, atLeast: 95, path: path)
            #expect(first.range == 100...194)
            let second = try UserIDClaim(of: 150...259, atLeast: 60, path: path)
            #expect(second.range == 195...254)
            let third = try UserIDClaim(of: 100...259, atLeast: 5, path: path)
            #expect(third.range == 255...259)
            do throws(RuntimeError) {
                _ = try UserIDClaim(of: 100...259, atLeast: 1, path: path)
                Issue.record("there is none left")
            } catch {
                #expect(error.cause == .invalidConfiguration)
                #expect(error.message.contains("set uids to a range of this server's own"))
            }
            withExtendedLifetime([first, second, third]) {}
        }
    }

    @Test("the highest ids can be had, and a file that can't be made is told as such")
    func ends() throws {
        try Self.withFile { path in
            let claim = try UserIDClaim(of: 4_294_967_290...4_294_967_294, atLeast: 5, path: path)
            #expect(claim.range.count == 5)
        }
        do throws(RuntimeError) {
            _ = try UserIDClaim(of: 1...9, atLeast: 1, path: "/nowhere/at/all")
            Issue.record("made")
        } catch {
            #expect(error.cause == .failed)
        }
    }
}
