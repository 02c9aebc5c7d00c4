// SPDX-License-Identifier: Apache-2.0

internal import Digest

/// The hash of a token, and whose it is: one line of a token file.
///
///     sha256:HEX tenant=NAME id=8HEX created=SECONDS expires=SECONDS
///
/// A token has 256 bits from the system's generator, so nobody can find it by trying: neither at the server, nor, with the file
/// in hand, against its hash. A slow hash (argon2, scrypt) makes tries of what people choose dearer, and would here only make
/// each connection dearer. SHA-256 is right.
package struct TokenEntry: Sendable, Equatable {
    /// 32 bytes.
    package var hash: [UInt8]
    package var tenant: String
    /// The first digits of the hash, which name the token in lists and logs.
    package var id: String { String(SHA256.hex(digits: hash).prefix(8)) }
    /// Seconds since 1970.
    package var created: Int
    /// Nil: it does not expire.
    package var expires: Int?

    package init(hash: [UInt8], tenant: String, created: Int, expires: Int? = nil) {
        self.hash = hash
        self.tenant = tenant
        self.created = created
        self.expires = expires
    }

    package func isValid(at seconds: Int) -> Bool { expires.map { seconds < $0 } ?? true }

    package var line: String {
        "sha256:\(SHA256.hex(digits: hash)) tenant=\(tenant) created=\(created)"
            + (expires.map { " expires=\($0)" } ?? "")
    }

    /// The entry of a line; nil if it is none.
    init?(_ line: Substring) {
        let words = line.split { $0 == " " || $0 == "\t" }
        guard let first = words.first, first.hasPrefix("sha256:"), let hash = TokenEntry.bytes(first.dropFirst(7)),
            hash.count == 32
        else { return nil }
        self.hash = hash
        var fields: [Substring: Substring] = [:]
        for word in words.dropFirst() {
            let parts = word.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, fields.updateValue(parts[1], forKey: parts[0]) == nil else { return nil }
        }
        guard let tenant = fields["tenant"] else { return nil }
        self.tenant = String(tenant)
        created = fields["created"].flatMap { Int($0) } ?? 0
        if let expires = fields["expires"] {
            guard let seconds = Int(expires) else { return nil }
            self.expires = seconds
        }
    }

    private static func bytes(_ hex: Substring) -> [UInt8]? {
        let digits = hex.utf8.compactMap { digit -> UInt8? in
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
            default: nil
            }
        }
        guard digits.count == hex.utf8.count, digits.count % 2 == 0 else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}

/// All tokens that a server knows.
package struct TokenFile: Sendable, Equatable {
    /// More lines than this are a mistake: each presented token is compared with all of them.
    package static let maxEntries = 10_000
    /// Maximum size of a file, in bytes: enough for `maxEntries` of the longest lines, and for comments.
    package static let maxSize = 4 << 20

    package var entries: [TokenEntry]

    package init(entries: [TokenEntry] = []) {
        self.entries = entries
    }

    /// A mistake of a file: its line, and what is wrong.
    package struct Mistake: Error, CustomStringConvertible {
        package var description: String
    }

    /// Empty lines, and lines that begin with "#", are skipped.
    package init(parsing text: String) throws(Mistake) {
        entries = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            guard let first = line.first(where: { $0 != " " && $0 != "\t" }), first != "#" else { continue }
            guard let entry = TokenEntry(line) else {
                throw Mistake(
                    description:
                        "line \(index + 1): this is not \"sha256:HEX tenant=NAME created=SECONDS [expires=SECONDS]\"")
            }
            guard entries.count < TokenFile.maxEntries else {
                throw Mistake(description: "there are more than \(TokenFile.maxEntries) tokens")
            }
            entries.append(entry)
        }
    }

    package var text: String {
        "# Hashes of tokens: see \"berth token\". Who has this file can't call with it.\n"
            + entries.map { $0.line + "\n" }.joined()
    }

    /// The entry of a token's hash. It takes the same time, whichever it is, and whether or not there is one: no entry is left
    /// out, and none is left early.
    /// - Parameter hash: 32 bytes.
    package func find<Hash: Collection>(_ hash: Hash) -> TokenEntry? where Hash.Element == UInt8, Hash.Index == Int {
        var found = -1
        for (index, entry) in entries.enumerated() {
            var difference: UInt8 = 0
            for byte in 0..<32 { difference |= entry.hash[byte] ^ hash[byte] }
            // Without a branch: all ones if there is no difference.
            let mask = (Int(difference) - 1) >> 8
            found = found & ~mask | index & mask
        }
        return found >= 0 ? entries[found] : nil
    }
}

/// A token: "berth_" and 256 random bits in base64url.
package enum Token {
    package static let prefix = "berth_"

    package static func make(using generator: inout some RandomNumberGenerator) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        var bits: [UInt8] = (0..<4).flatMap { _ in
            let word = generator.next() as UInt64
            return (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) }
        }
        bits.append(0)
        var text = prefix
        // 43 digits of six bits: 258, the last two of which are 0.
        for index in 0..<43 {
            let (byte, offset) = (index * 6 / 8, index * 6 % 8)
            let pair = UInt16(bits[byte]) << 8 | UInt16(bits[min(byte + 1, 32)])
            text.append(digits[Int(pair >> UInt16(10 - offset) & 63)])
        }
        return text
    }

    package static func hash(_ token: some StringProtocol) -> [UInt8] { SHA256.hash(Array(token.utf8)) }
}
