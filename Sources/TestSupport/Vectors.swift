// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// One exchange of a file under `proto/vectors`.
package struct Vector: Sendable, CustomStringConvertible {
    package enum Line: Sendable, Equatable {
        case clientToServer([UInt8])
        case serverToClient([UInt8])
        /// This number of zero bytes from the client.
        case padding(Int)
        /// A Response from the server.
        case answer(streamID: UInt32, code: Int32)
    }

    package var name: String
    package var lines: [Line]

    package var description: String { name }

    package var clientFrames: [[UInt8]] {
        lines.compactMap { line in
            if case .clientToServer(let bytes) = line { bytes } else { nil }
        }
    }

    package var serverFrames: [[UInt8]] {
        lines.compactMap { line in
            if case .serverToClient(let bytes) = line { bytes } else { nil }
        }
    }

    /// Reads a file of `proto/vectors`.
    package static func load(_ file: String, sourceFile: String = #filePath) -> [Vector] {
        let root = sourceFile.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        let path = "\(root)/proto/vectors/\(file)"
        guard let text = read(path) else { fatalError("cannot read \(path)") }
        return parse(text)
    }

    static func parse(_ text: String) -> [Vector] {
        var vectors: [Vector] = []
        for line in text.split(separator: "\n") {
            let content = line.prefix { $0 != "#" }
            let words = content.split(separator: " ")
            guard let keyword = words.first else { continue }
            if content.first == " " {
                vectors[vectors.count - 1].extend(hex(words[...]))
                continue
            }
            switch keyword {
            case "vector":
                vectors.append(Vector(name: words.dropFirst().joined(separator: " "), lines: []))
            case "C>S": vectors[vectors.count - 1].lines.append(.clientToServer(hex(words.dropFirst())))
            case "S>C": vectors[vectors.count - 1].lines.append(.serverToClient(hex(words.dropFirst())))
            case "PAD":
                guard let count = Int(words[1]) else { fatalError("not a count: \(line)") }
                vectors[vectors.count - 1].lines.append(.padding(count))
            case "ANS":
                guard let id = UInt32(words[1]), let code = Int32(words[2]) else { fatalError("no answer: \(line)") }
                vectors[vectors.count - 1].lines.append(.answer(streamID: id, code: code))
            default: fatalError("not a line of a vector: \(line)")
            }
        }
        return vectors
    }

    private mutating func extend(_ more: [UInt8]) {
        switch lines.popLast() {
        case .clientToServer(let bytes): lines.append(.clientToServer(bytes + more))
        case .serverToClient(let bytes): lines.append(.serverToClient(bytes + more))
        default: fatalError("nothing to continue in \(name)")
        }
    }

    private static func hex(_ words: ArraySlice<Substring>) -> [UInt8] {
        let digits = words.joined().utf8.map { UInt8($0) }
        guard digits.count % 2 == 0 else { fatalError("half a byte in \(words)") }
        return stride(from: 0, to: digits.count, by: 2).map { index in
            guard let byte = UInt8(String(decoding: digits[index...index + 1], as: UTF8.self), radix: 16) else {
                fatalError("not hex: \(words)")
            }
            return byte
        }
    }

    private static func read(_ path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while case let count = fread(&chunk, 1, chunk.count, file), count > 0 { bytes += chunk[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }
}
