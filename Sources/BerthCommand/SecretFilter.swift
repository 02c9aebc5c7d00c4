// SPDX-License-Identifier: Apache-2.0

import Configuration

/// Takes secrets out of text that is to be given away: tokens, private keys, and the values of a configuration's variables.
struct SecretFilter {
    private static let removed = Array("[removed]".utf8)
    /// A shorter value stands for much else in a text.
    private static let shortest = 4

    /// Secrets by their first byte, the longest first.
    private var secrets: [UInt8: [[UInt8]]] = [:]

    /// - Parameter values: what is known to be secret.
    init(_ values: [String]) {
        let all = Set(values.flatMap(SecretFilter.forms)).filter { $0.utf8.count >= SecretFilter.shortest }
        for secret in all.sorted(by: { $0.utf8.count > $1.utf8.count }) {
            guard let first = secret.utf8.first else { continue }
            secrets[first, default: []].append(Array(secret.utf8))
        }
    }

    /// How a value is found in a log: as it is, line by line, and as JSON writes it.
    private static func forms(_ value: String) -> [String] {
        let quoted = value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
        return [value, quoted] + value.split(separator: "\n").map(String.init)
    }

    func clean(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            if let length = secret(text[index...]) {
                result += SecretFilter.removed
                index += length
            } else {
                result.append(text[index])
                index += 1
            }
        }
        return result
    }

    /// The length of the secret that a text begins with.
    private func secret(_ text: ArraySlice<UInt8>) -> Int? {
        guard let first = text.first else { return nil }
        if let found = secrets[first]?.first(where: { text.starts(with: $0) }) { return found.count }
        switch first {
        case UInt8(ascii: "b"): return SecretFilter.token(text)
        case UInt8(ascii: "-"): return SecretFilter.privateKey(text)
        default: return nil
        }
    }

    /// One that `berth token` makes.
    private static func token(_ text: ArraySlice<UInt8>) -> Int? {
        let prefix = Array("berth_".utf8)
        guard text.starts(with: prefix) else { return nil }
        let digits = text.dropFirst(prefix.count).prefix { byte in
            Unicode.Scalar(byte).properties.isAlphabetic && byte < 0x80 || (0x30...0x39).contains(byte) || byte == 0x2d
                || byte == 0x5f
        }
        return digits.count >= 40 ? prefix.count + digits.count : nil
    }

    /// A private key in PEM: everything up to its end, or to that of the text.
    private static func privateKey(_ text: ArraySlice<UInt8>) -> Int? {
        let begin = Array("-----BEGIN ".utf8)
        guard text.starts(with: begin) else { return nil }
        let line = String(decoding: text.prefix { $0 != 0x0a }, as: UTF8.self)
        guard line.contains("PRIVATE KEY-----") else { return nil }
        let end = Array("-----END ".utf8)
        var rest = text.dropFirst(begin.count)
        while !rest.isEmpty, !(rest.first == end.first && rest.starts(with: end)) { rest = rest.dropFirst() }
        return text.count - rest.drop { $0 != 0x0a }.count
    }
}

extension ServerConfiguration {
    /// The values that are nobody else's business: those of variables, and the code that interpreters run beforehand.
    var secrets: [String] {
        pools.flatMap { pool in
            Array(pool.programs.env.values) + pool.programs.interpreters.values.map(\.warmup)
        }
    }

    /// The same without these values.
    var withoutSecrets: ServerConfiguration {
        var result = self
        for index in result.pools.indices {
            for name in result.pools[index].programs.env.keys { result.pools[index].programs.env[name] = "removed" }
            for (language, settings) in result.pools[index].programs.interpreters where !settings.warmup.isEmpty {
                result.pools[index].programs.interpreters[language]?.warmup = "removed"
            }
        }
        return result
    }
}
