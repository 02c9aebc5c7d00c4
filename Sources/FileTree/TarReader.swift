/// Reads a tar archive as it comes: ustar, pax, and GNU's long names and large numbers. Of an entry it takes name, kind,
/// mode, time and content; owners and the rest are passed over.
///
/// The archive is not trusted: what is kept of it in memory is bounded, and nothing in it is taken for possible.
package final class TarReader {
    package typealias Source = (UnsafeMutableRawBufferPointer) throws(FileError) -> Int

    /// Bytes of one extended header or long name.
    private static let maxExtension: UInt64 = 1 << 20

    package static let leftOutPrefix = "berth: left out "
    private static let mostLeftOut = 1000

    /// What the archive's maker says is no part of it.
    package private(set) var leftOut: [String] = []
    private let source: Source
    private var buffer = [UInt8](repeating: 0, count: 64 << 10)
    private var filled = 0..<0
    /// Of the current entry's content, and of what fills its last block.
    private var left: UInt64 = 0
    private var padding = 0
    private var current = "the archive"
    private var isOver = false
    private var isFirst = true

    /// - Parameter source: fills some of the buffer and says how much; 0 at the end.
    package init(_ source: @escaping Source) {
        self.source = source
    }

    /// The next entry; what is left of the one before is passed over. nil at the end of the archive.
    package func next() throws(FileError) -> TarEntry? {
        guard !isOver else { return nil }
        var changes = Changes()
        while true {
            try skip()
            guard let header = try readHeader() else {
                isOver = true
                return nil
            }
            let type = header[Tar.type]
            guard let size = Tar.number(header[Tar.size.range]), size <= UInt64(Int64.max) else {
                throw damaged("a size that is no number")
            }
            switch type {
            case UInt8(ascii: "x"), UInt8(ascii: "g"):
                // Global ones hold comments in practice; the names of single files do not belong there.
                let records = try readExtension(size)
                if type == UInt8(ascii: "x") { try changes.add(records) } else { try readComments(records) }
            case UInt8(ascii: "L"): changes.name = Tar.text(try readExtension(size)[...])
            case UInt8(ascii: "K"): changes.link = Tar.text(try readExtension(size)[...])
            case UInt8(ascii: "V"): begin(size)
            default: return try entry(header, type, size, changes)
            }
        }
    }

    /// Reads content of the current entry.
    /// - Returns: how many bytes; 0 at its end.
    package func read(into target: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
        guard left > 0 else { return 0 }
        if filled.isEmpty { try fill() }
        let count = min(target.count, filled.count, Int(clamping: left))
        buffer.withUnsafeBytes { target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[filled.prefix(count)])) }
        filled = filled.dropFirst(count)
        left -= UInt64(count)
        return count
    }

    /// Reads what follows the archive's end, which fills its last record, and is of no interest.
    package func drain() throws(FileError) {
        isOver = true
        filled = 0..<0
        while try refill() > 0 {}
    }

    // MARK: Entries

    private func entry(
        _ header: [UInt8], _ type: UInt8, _ headerSize: UInt64, _ changes: Changes
    ) throws(FileError) -> TarEntry {
        var name = changes.name ?? Tar.text(header[Tar.name.range])
        let isUstar = header[Tar.magic.range].starts(with: Array("ustar\0".utf8))
        if changes.name == nil, isUstar, header[Tar.prefix.offset] != 0 {
            name = Tar.text(header[Tar.prefix.range]) + [UInt8(ascii: "/")] + name
        }
        current = name.shown
        guard !name.isEmpty, !name.contains(0) else { throw damaged("an entry without a name") }
        guard !changes.isSparse else { throw unusable("is stored as a sparse file, which is not supported") }
        guard let mode = Tar.number(header[Tar.mode.range]) else { throw damaged("a mode that is no number") }
        let target = changes.link ?? Tar.text(header[Tar.link.range])
        let kind: TarEntry.Kind
        switch type {
        case 0 where name.last == UInt8(ascii: "/"), UInt8(ascii: "5"): kind = .directory
        case 0, UInt8(ascii: "0"), UInt8(ascii: "7"): kind = .file
        case UInt8(ascii: "1"): kind = .hardLink(target)
        case UInt8(ascii: "2"): kind = .symbolicLink(target)
        case UInt8(ascii: "3"), UInt8(ascii: "4"): throw unusable("is a device")
        case UInt8(ascii: "6"): throw unusable("is a named pipe")
        case UInt8(ascii: "S"): throw unusable("is stored as a sparse file, which is not supported")
        default: throw unusable("is of the unknown type \([type].shown)")
        }
        if type == UInt8(ascii: "1") || type == UInt8(ascii: "2") {
            guard !target.isEmpty, !target.contains(0) else { throw damaged("a link without a target") }
        }
        // Links and directories have no content, whatever their header says; a hard link may, in pax.
        let size = changes.size ?? headerSize
        begin(kind == .file || type == UInt8(ascii: "1") ? size : 0)
        let seconds = Tar.number(header[Tar.modified.range]) ?? 0
        return TarEntry(
            name: name, kind: kind, size: kind == .file ? size : 0, mode: UInt32(mode & 0o7777),
            modifiedSeconds: changes.modified?.seconds ?? Int64(clamping: seconds),
            modifiedNanoseconds: changes.modified?.nanoseconds ?? 0)
    }

    private func readComments(_ records: [UInt8]) throws(FileError) {
        var comments = Changes()
        try comments.add(records)
        guard let comment = comments.comment, comment.hasPrefix(TarReader.leftOutPrefix) else { return }
        guard leftOut.count < TarReader.mostLeftOut else { return }
        leftOut.append(String(comment.dropFirst(TarReader.leftOutPrefix.count).prefix(4096)))
    }

    /// What the headers before an entry's own say of it.
    private struct Changes {
        var name: [UInt8]?
        var link: [UInt8]?
        var size: UInt64?
        var modified: (seconds: Int64, nanoseconds: Int64)?
        var isSparse = false
        var comment: String?

        /// Records are `LENGTH KEY=VALUE\n`, LENGTH counts all of it.
        mutating func add(_ records: [UInt8]) throws(FileError) {
            var rest = records[...]
            while let first = rest.first, first != 0 {
                let digits = rest.prefix { $0 != 0x20 }
                guard digits.count <= 8, let length = Int(String(decoding: digits, as: UTF8.self)),
                    length > digits.count + 2, length <= rest.count
                else {
                    throw FileError(
                        .invalidArgument, "the archive is damaged: an extended header makes no sense", .badArchive)
                }
                let record = rest.prefix(length - 1).dropFirst(digits.count + 1)
                rest = rest.dropFirst(length)
                guard let equals = record.firstIndex(of: UInt8(ascii: "=")) else { continue }
                let value = record[(equals + 1)...]
                switch String(decoding: record[..<equals], as: UTF8.self) {
                case "path": name = Array(value)
                case "linkpath": link = Array(value)
                case "size": size = UInt64(String(decoding: value, as: UTF8.self)).map { min($0, UInt64(Int64.max)) }
                case "mtime": modified = Changes.time(String(decoding: value, as: UTF8.self))
                case "comment": comment = String(decoding: value, as: UTF8.self)
                case let key where key.hasPrefix("GNU.sparse."): isSparse = true
                default: break
                }
            }
        }

        /// `-1.25` is 1.25 s before 1970.
        private static func time(_ text: String) -> (Int64, Int64)? {
            let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
            guard let first = parts.first, let seconds = Int64(first), seconds.magnitude < 1 << 40 else { return nil }
            guard parts.count > 1 else { return (seconds, 0) }
            let digits = parts[1].prefix(9)
            guard let fraction = Int64("\(digits)\(String(repeating: "0", count: 9 - digits.count))"), fraction >= 0
            else {
                return nil
            }
            if text.hasPrefix("-"), fraction > 0 { return (seconds - 1, 1_000_000_000 - fraction) }
            return (seconds, fraction)
        }
    }

    // MARK: Blocks

    private func begin(_ size: UInt64) {
        left = size
        padding = Tar.padding(size)
    }

    private func skip() throws(FileError) {
        while left > 0 || padding > 0 {
            if filled.isEmpty { try fill() }
            let count = min(filled.count, left > 0 ? Int(clamping: left) : padding)
            filled = filled.dropFirst(count)
            if left > 0 { left -= UInt64(count) } else { padding -= count }
        }
    }

    private func readExtension(_ size: UInt64) throws(FileError) -> [UInt8] {
        guard size <= TarReader.maxExtension else {
            throw damaged("an extended header of \(size) bytes; at most \(TarReader.maxExtension)")
        }
        begin(size)
        var bytes: [UInt8] = []
        while left > 0 {
            if filled.isEmpty { try fill() }
            let count = min(filled.count, Int(left))
            bytes += buffer[filled.prefix(count)]
            filled = filled.dropFirst(count)
            left -= UInt64(count)
        }
        return bytes
    }

    /// nil at the archive's end: a block of zeros, or nothing more.
    private func readHeader() throws(FileError) -> [UInt8]? {
        var header: [UInt8] = []
        while header.count < Tar.block {
            if filled.isEmpty, try refill() == 0 {
                guard isFirst || !header.isEmpty else { return nil }
                throw isFirst ? noArchive(header) : damaged("it ends in the middle of a header")
            }
            let count = min(filled.count, Tar.block - header.count)
            header += buffer[filled.prefix(count)]
            filled = filled.dropFirst(count)
        }
        if header.allSatisfy({ $0 == 0 }) { return nil }
        let (sum, signedSum) = Tar.sums(header[...])
        guard let said = Tar.number(header[Tar.checksum.range]), said == sum || Int64(clamping: said) == signedSum
        else {
            throw isFirst ? noArchive(header) : damaged("a header with a wrong checksum")
        }
        isFirst = false
        return header
    }

    /// What begins so is something else.
    private func noArchive(_ start: [UInt8]) -> FileError {
        // gzip, zstd, xz, bzip2
        let compressed: [[UInt8]] = [
            [0x1f, 0x8b], [0x28, 0xb5, 0x2f, 0xfd], [0xfd, 0x37, 0x7a], [0x42, 0x5a, 0x68],
        ]
        return FileError(
            .invalidArgument,
            compressed.contains { start.starts(with: $0) }
                ? "the archive is compressed: unpack it first, to a plain tar" : "this is no tar archive", .badArchive)
    }

    private func fill() throws(FileError) {
        guard try refill() > 0 else { throw damaged("it ends in the middle of \(current)") }
    }

    private func refill() throws(FileError) -> Int {
        var error: FileError?
        let count = buffer.withUnsafeMutableBytes { bytes in
            do throws(FileError) {
                return try source(bytes)
            } catch let failure {
                error = failure
                return 0
            }
        }
        if let error { throw error }
        filled = 0..<count
        return count
    }

    private func damaged(_ what: String) -> FileError {
        FileError(.invalidArgument, "the archive is damaged: \(what)", .badArchive)
    }

    private func unusable(_ what: String) -> FileError {
        FileError(.invalidArgument, "\(current): \(what)", .badArchive)
    }
}
