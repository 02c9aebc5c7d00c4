// SPDX-License-Identifier: Apache-2.0

public import BerthSchema

/// A file operation. The server runs the agent's binary for it, like any other program, as the user of the pool. This
/// is the contract between the two; nothing else uses it.
///
/// - Arguments: `--file`, then those of the operation.
/// - Standard input, for `write` and `unpack`: pieces, each with its length in front as 4 bytes, big-endian. A piece of
///   length 0 ends it. Without that end, no file gets its name, since the sender has gone away.
/// - Standard output: for `read` and `pack` the bytes; for `list` messages `ListDirectoryResponse`, each with its
///   length in front, like a piece.
/// - Standard error: `FileReport`s.
/// - Exit code: 0, or 1 after a `failure` was reported.
public enum FileOperation: Sendable, Equatable {
    /// - `length`: 0: everything to the end.
    case read(path: SystemString, offset: UInt64, length: UInt64)
    case write(path: SystemString, mode: UInt32, createsParents: Bool)
    case list(path: SystemString)
    /// - `followsLink`: whether the answer is about the target of a link.
    case stat(path: SystemString, followsLink: Bool)
    case makeDirectory(path: SystemString, mode: UInt32, makesParents: Bool)
    case rename(from: SystemString, to: SystemString, neverReplaces: Bool)
    case changeMode(path: SystemString, mode: UInt32)
    case remove(path: SystemString, isRecursive: Bool)
    case unpack(path: SystemString)
    case pack(path: SystemString)

    /// The first argument.
    public static let flag = "--file"
    /// Maximum bytes of one piece or message.
    public static let maxPiece = 256 << 10

    public var arguments: [SystemString] {
        let rest: [SystemString] =
            switch self {
            case .read(let path, let offset, let length): ["read", path, "\(offset)", "\(length)"]
            case .write(let path, let mode, let createsParents): ["write", path, "\(mode)", Self.flag(createsParents)]
            case .list(let path): ["list", path]
            case .stat(let path, let followsLink): ["stat", path, Self.flag(followsLink)]
            case .makeDirectory(let path, let mode, let makesParents):
                ["mkdir", path, "\(mode)", Self.flag(makesParents)]
            case .rename(let from, let to, let neverReplaces): ["rename", from, to, Self.flag(neverReplaces)]
            case .changeMode(let path, let mode): ["chmod", path, "\(mode)"]
            case .remove(let path, let isRecursive): ["remove", path, Self.flag(isRecursive)]
            case .unpack(let path): ["unpack", path]
            case .pack(let path): ["pack", path]
            }
        return [SystemString(Self.flag)] + rest
    }

    private static func flag(_ isSet: Bool) -> SystemString { isSet ? "1" : "0" }

    /// Nil if the arguments are not an operation.
    public init?(arguments: [SystemString]) {
        guard arguments.count >= 3, arguments[0] == SystemString(Self.flag), let name = arguments[1].text else {
            return nil
        }
        let path = arguments[2]
        func number<N: FixedWidthInteger>(_ index: Int, upTo most: N) -> N? {
            arguments[index].text.flatMap { N($0) }.flatMap { $0 <= most ? $0 : nil }
        }
        let modes: UInt32 = 0o7777
        let isSet = arguments[arguments.count - 1] == "1"
        switch (name, arguments.count) {
        case ("read", 5):
            guard let offset = number(3, upTo: UInt64.max), let length = number(4, upTo: UInt64.max) else { return nil }
            self = .read(path: path, offset: offset, length: length)
        case ("write", 5):
            guard let mode = number(3, upTo: modes) else { return nil }
            self = .write(path: path, mode: mode, createsParents: isSet)
        case ("list", 3): self = .list(path: path)
        case ("stat", 4): self = .stat(path: path, followsLink: isSet)
        case ("mkdir", 5):
            guard let mode = number(3, upTo: modes) else { return nil }
            self = .makeDirectory(path: path, mode: mode, makesParents: isSet)
        case ("rename", 5): self = .rename(from: path, to: arguments[3], neverReplaces: isSet)
        case ("chmod", 4):
            guard let mode = number(3, upTo: modes) else { return nil }
            self = .changeMode(path: path, mode: mode)
        case ("remove", 4): self = .remove(path: path, isRecursive: isSet)
        case ("unpack", 3): self = .unpack(path: path)
        case ("pack", 3): self = .pack(path: path)
        default: return nil
        }
    }

    /// The length in front of a piece.
    public static func header(_ count: Int) -> [UInt8] {
        withUnsafeBytes(of: UInt32(count).bigEndian) { Array($0) }
    }
}

/// The reports of an operation, in addition to its bytes.
public enum FileReport: Sendable, Equatable {
    /// The first report of `read`, about the file that is sent, and of `pack`, about the path; the answer of `stat`.
    case info(FileInfo)
    /// The last report: a status code of gRPC, the number of an `ErrorReason` or 0, and a message that names the file.
    case failure(code: Int32, reason: UInt32, message: String)
    /// The last report of `unpack`: how many files were unpacked.
    case count(UInt64)

    /// Maximum bytes of one report, without its length.
    private static let limit = 16 << 10

    public var encoded: [UInt8] {
        let (kind, content): (UInt8, [UInt8]) =
            switch self {
            case .info(let info): (UInt8(ascii: "i"), info.encoded())
            case .failure(let code, let reason, let message):
                (UInt8(ascii: "e"), Array("\(code) \(reason) \(message.prefix(1024))".utf8))
            case .count(let count): (UInt8(ascii: "n"), Array("\(count)".utf8))
            }
        return FileOperation.header(1 + content.count) + [kind] + content
    }

    /// Takes the first complete report from `bytes`; nil if more bytes are needed.
    /// - Throws: `SchemaError` if the bytes can't become a report.
    public static func next(from bytes: inout [UInt8]) throws(SchemaError) -> FileReport? {
        guard bytes.count > 4 else { return nil }
        let length = bytes.prefix(4).reduce(0) { $0 << 8 | Int($1) }
        guard (1...limit).contains(length) else { throw SchemaError("a report of \(length) bytes") }
        guard bytes.count >= 4 + length else { return nil }
        let content = Array(bytes[5..<4 + length])
        defer { bytes.removeFirst(4 + length) }
        switch bytes[4] {
        case UInt8(ascii: "i"): return .info(try FileInfo(decoding: content))
        case UInt8(ascii: "e"):
            let words = String(decoding: content, as: UTF8.self).split(
                separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
            guard words.count == 3, let code = Int32(words[0]), let reason = UInt32(words[1]) else {
                throw SchemaError("a failure without a code and a reason")
            }
            return .failure(code: code, reason: reason, message: String(words[2]))
        case UInt8(ascii: "n"):
            guard let count = UInt64(String(decoding: content, as: UTF8.self)) else {
                throw SchemaError("a count that is not a number")
            }
            return .count(count)
        default: throw SchemaError("a report of the unknown kind \(bytes[4])")
        }
    }
}
