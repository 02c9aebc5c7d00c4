/// An operation on files, as the server has it done: by the agent's own program, run like any other, as the pool's user.
/// This is the contract between the two; nothing else speaks it.
///
/// - Arguments: `--file`, then the operation's.
/// - Standard input, of `write` and `unpack`: pieces, each with its length in front as 4 bytes, big-endian; one of length
///   0 ends it. Without that, nothing gets its name: who goes away has not finished.
/// - Standard output: of `read` and `pack` the bytes; of `list` messages `ListDirectoryResponse`, each with its length in
///   front like a piece.
/// - Standard error: `FileReport`s.
/// - Exit code: 0, or 1 with a `failure` reported.
public enum FileOperation: Sendable, Equatable {
    /// - `length`: 0 is all to the end.
    case read(path: String, offset: UInt64, length: UInt64)
    case write(path: String, mode: UInt32, createsParents: Bool)
    case list(path: String)
    case remove(path: String, isRecursive: Bool)
    case unpack(path: String)
    case pack(path: String)

    /// The first argument.
    public static let flag = "--file"
    /// Bytes of one piece or message, at most.
    public static let maxPiece = 256 << 10

    public var arguments: [String] {
        switch self {
        case .read(let path, let offset, let length): [Self.flag, "read", path, "\(offset)", "\(length)"]
        case .write(let path, let mode, let createsParents):
            [Self.flag, "write", path, "\(mode)", createsParents ? "1" : "0"]
        case .list(let path): [Self.flag, "list", path]
        case .remove(let path, let isRecursive): [Self.flag, "remove", path, isRecursive ? "1" : "0"]
        case .unpack(let path): [Self.flag, "unpack", path]
        case .pack(let path): [Self.flag, "pack", path]
        }
    }

    /// nil for arguments that are no operation.
    public init?(arguments: [String]) {
        guard arguments.count >= 3, arguments[0] == Self.flag else { return nil }
        let path = arguments[2]
        switch (arguments[1], arguments.count) {
        case ("read", 5):
            guard let offset = UInt64(arguments[3]), let length = UInt64(arguments[4]) else { return nil }
            self = .read(path: path, offset: offset, length: length)
        case ("write", 5):
            guard let mode = UInt32(arguments[3]), mode <= 0o7777 else { return nil }
            self = .write(path: path, mode: mode, createsParents: arguments[4] == "1")
        case ("list", 3): self = .list(path: path)
        case ("remove", 4): self = .remove(path: path, isRecursive: arguments[3] == "1")
        case ("unpack", 3): self = .unpack(path: path)
        case ("pack", 3): self = .pack(path: path)
        default: return nil
        }
    }

    /// A length as it stands in front of a piece.
    public static func header(_ count: Int) -> [UInt8] {
        withUnsafeBytes(of: UInt32(count).bigEndian) { Array($0) }
    }
}

/// What an operation says of itself, beside its bytes.
public enum FileReport: Sendable, Equatable {
    /// First thing, of `read`: what is about to be sent. Of `pack`, the path's own.
    case info(FileInfo)
    /// Last thing: one of gRPC's codes, and words that name the file.
    case failure(code: Int32, message: String)
    /// Last thing, of `unpack`: files unpacked.
    case count(UInt64)

    /// Bytes of one report, at most, without its length.
    private static let limit = 16 << 10

    public var encoded: [UInt8] {
        let (kind, content): (UInt8, [UInt8]) =
            switch self {
            case .info(let info): (UInt8(ascii: "i"), info.encoded())
            case .failure(let code, let message):
                (UInt8(ascii: "e"), Array("\(code) \(message.prefix(1024))".utf8))
            case .count(let count): (UInt8(ascii: "n"), Array("\(count)".utf8))
            }
        return FileOperation.header(1 + content.count) + [kind] + content
    }

    /// Takes the first whole report from `bytes`; nil: more has to come.
    /// - Throws: `SchemaError` when there is no report, and none will become of it.
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
            let words = String(decoding: content, as: UTF8.self).split(separator: " ", maxSplits: 1)
            guard let code = words.first.flatMap({ Int32($0) }) else { throw SchemaError("a failure without a code") }
            return .failure(code: code, message: words.count > 1 ? String(words[1]) : "")
        case UInt8(ascii: "n"):
            guard let count = UInt64(String(decoding: content, as: UTF8.self)) else {
                throw SchemaError("a count that is no number")
            }
            return .count(count)
        default: throw SchemaError("a report of the unknown kind \(bytes[4])")
        }
    }
}
