// SPDX-License-Identifier: Apache-2.0

import Glibc
import Hardening
import Logging
import Pool
import Testing

@testable import Embedded
@testable import Housekeeping
@testable import Runc

/// Item C15.
@Suite("directories that a server relies on")
struct TrustTests {
    private func withBase(_ body: (String) throws -> Void) throws {
        let base = "/tmp/berth-runc-tests-trust-\(getpid())"
        try Files.makeDirectory(base)
        defer { try? Files.removeTree(base) }
        try body(base)
    }

    private func isRefused(_ words: String, _ body: () throws -> Void) {
        let error = #expect(throws: RuntimeError.self) { try body() }
        let isRight = error?.cause == .invalidConfiguration && error?.message.contains(words) == true
        #expect(isRight, "\(String(describing: error))")
    }

    @Test("a state directory that another user made, may write to, or made a link is refused")
    func stateDirectory() throws {
        try withBase { base in
            try Files.makeDirectory("\(base)/theirs", mode: 0o700)
            chown("\(base)/theirs", 1234, 1234)
            isRefused("belongs to user 1234") { _ = try StateDirectory(base: "\(base)/theirs", instance: "a") }
            // As one that was made beforehand in /tmp.
            for mode: mode_t in [0o777, 0o1777, 0o702] {
                try Files.makeDirectory("\(base)/open", mode: mode)
                chmod("\(base)/open", mode)
                isRefused("can be written to by others") { _ = try StateDirectory(base: "\(base)/open", instance: "a") }
            }
            try Files.makeDirectory("\(base)/group", mode: 0o770)
            chown("\(base)/group", 0, 1234)
            isRefused("can be written to by others") { _ = try StateDirectory(base: "\(base)/group", instance: "a") }
            try Files.makeDirectory("\(base)/good")
            symlink("\(base)/good", "\(base)/link")
            isRefused("is a link") { _ = try StateDirectory(base: "\(base)/link", instance: "a") }
            // The instance's own, and what leads there.
            symlink("\(base)/good", "\(base)/good/linked")
            isRefused("is a link") { _ = try StateDirectory(base: "\(base)/good", instance: "linked") }
            chmod("\(base)/open", 0o777)
            isRefused("can be written to by others") {
                _ = try StateDirectory(base: "\(base)/open/deep", instance: "a")
            }
            isRefused("belongs to user 1234") { _ = try StateDirectory(base: "\(base)/theirs/deep", instance: "a") }
            _ = try StateDirectory(base: "\(base)/good", instance: "a")
        }
    }

    @Test("a cache of images, or a way to a socket, in which others can write is refused")
    func others() throws {
        try withBase { base in
            try Files.makeDirectory("\(base)/cache", mode: 0o777)
            chmod("\(base)/cache", 0o777)
            let images = ImageStore(directory: "\(base)/cache", logger: .init(label: "test"))
            isRefused("can be written to by others") { _ = try images.image("127.0.0.1:1/a", Cancellation()) }
            isRefused("can be written to by others") { try TrustedDirectory.check("\(base)/cache", isOwn: false) }
            // As /tmp: everybody makes files there, nobody replaces another's.
            chmod("\(base)/cache", 0o1777)
            try TrustedDirectory.check("\(base)/cache", isOwn: false)
            try TrustedDirectory.check("\(base)/not/there/yet")
        }
    }
}
