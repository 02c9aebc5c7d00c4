// SPDX-License-Identifier: Apache-2.0

/// Reads a tar archive as a stream: ustar, pax, and GNU's long names, large numbers and sparse files. It reads the
/// name, kind, mode, time and content of each entry, and ignores owners and the rest.
///
/// The archive is not trusted: the memory for it is bounded, and everything in it is checked.
package final class TarReader {
    package typealias Source = (UnsafeMutableRawBufferPointer) throws(FileError) -> Int

    /// Maximum bytes of one extended header or long name.
    private static let maxExtension: UInt64 = 1 << 20

    package static let leftOutPrefix = "berth: left out "
    /// Maximum number of names that are listed as left out, here and when packing.
    static let maxLeftOut = 1000

    /// Names that the packer left out, each with the reason, from comments in the archive.
    package private(set) var leftOut: [String] = []
    private let source: Source
    private var buffer = [UInt8](repeating: 0, count: 64 << 10)
    private var filled = 0..<0
    /// Unread bytes of the current entry's content.
    private var left: UInt64 = 0
    /// Unread bytes that fill up the last block of the current entry.
    private var padding = 0
    /// The map of the current entry, if it is stored without its holes.
    private var sparse: SparseMap?
    private var current = "the archive"
    private var isOver = false
    private var isFirst = true

    /// - Parameter source: fills part of the buffer and returns how many bytes; 0 at the end.
    package init(_ source: @escaping Source) {
        self.source = source
    }

    /// Reads the next entry, and skips the rest of the one before. Returns nil at the end of the archive.
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
                throw damaged("a size that is not a number")
            }
            switch type {
            case UInt8(ascii: "x"), UInt8(ascii: "g"):
                // In practice global headers hold only comments; names of single files do not belong there.
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
    /// - Returns: how many bytes were read; 0 at the end of the entry.
    package func read(into target: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
        let zeros = Int(clamping: min(sparse?.hole ?? 0, UInt64(target.count)))
        if zeros > 0 {
            UnsafeMutableRawBufferPointer(rebasing: target[..<zeros]).initializeMemory(as: UInt8.self, repeating: 0)
            sparse?.advance(UInt64(zeros))
            return zeros
        }
        guard left > 0 else { return 0 }
        if filled.isEmpty { try fill() }
        let count = min(target.count, filled.count, Int(clamping: min(left, sparse?.content ?? left)))
        buffer.withUnsafeBytes { target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[filled.prefix(count)])) }
        filled = filled.dropFirst(count)
        left -= UInt64(count)
        sparse?.advance(UInt64(count))
        return count
    }

    /// Skips the hole at the current position, which `read` would return as zeros.
    /// - Returns: bytes of the hole; 0 if there is none here.
    package func skipHole() -> UInt64 {
        guard let hole = sparse?.hole, hole > 0 else { return 0 }
        sparse?.advance(hole)
        return hole
    }

    /// Reads and discards what follows the end of the archive: it only fills up the last record.
    package func drain() throws(FileError) {
        isOver = true
        filled = 0..<0
        while try refill() > 0 {}
    }

    // MARK: Entries

    private func entry(
        _ header: [UInt8], _ type: UInt8, _ headerSize: UInt64, _ changes: Changes
    ) throws(FileError) -> TarEntry {
        let saidName = changes.sparse?.name ?? changes.name
        var name = saidName ?? Tar.text(header[Tar.name.range])
        let isUstar = header[Tar.magic.range].starts(with: Array("ustar\0".utf8))
        if saidName == nil, isUstar, header[Tar.prefix.offset] != 0 {
            name = Tar.text(header[Tar.prefix.range]) + [UInt8(ascii: "/")] + name
        }
        current = name.shown
        guard !name.isEmpty, !name.contains(0) else { throw damaged("an entry without a name") }
        guard let mode = Tar.number(header[Tar.mode.range]) else { throw damaged("a mode that is not a number") }
        let target = changes.link ?? Tar.text(header[Tar.link.range])
        let kind: TarEntry.Kind
        switch type {
        case 0 where name.last == UInt8(ascii: "/"), UInt8(ascii: "5"): kind = .directory
        case 0, UInt8(ascii: "0"), UInt8(ascii: "7"), UInt8(ascii: "S"): kind = .file
        case UInt8(ascii: "1"): kind = .hardLink(target)
        case UInt8(ascii: "2"): kind = .symbolicLink(target)
        case UInt8(ascii: "3"), UInt8(ascii: "4"): throw unusable("is a device")
        case UInt8(ascii: "6"): throw unusable("is a named pipe")
        default: throw unusable("is of the unknown type \([type].shown)")
        }
        if type == UInt8(ascii: "1") || type == UInt8(ascii: "2") {
            guard !target.isEmpty, !target.contains(0) else { throw damaged("a link without a target") }
        }
        var size = changes.size ?? headerSize
        if type == UInt8(ascii: "S") {
            size = try beginSparse(header, size)
        } else if kind == .file, let headers = changes.sparse {
            size = try beginSparse(headers, size)
        } else {
            // Links and directories have no content, whatever their header says, except for hard links in pax.
            begin(kind == .file || type == UInt8(ascii: "1") ? size : 0)
        }
        let seconds = Tar.number(header[Tar.modified.range]) ?? 0
        return TarEntry(
            name: name, kind: kind, size: kind == .file ? size : 0, mode: UInt32(mode & 0o7777),
            modifiedSeconds: changes.modified?.seconds ?? Int64(clamping: seconds),
            modifiedNanoseconds: changes.modified?.nanoseconds ?? 0)
    }

    /// Reads the map of GNU's old format: it is in the header and in blocks after it, which the size does not include.
    /// - Returns: the file's size.
    private func beginSparse(_ header: [UInt8], _ stored: UInt64) throws(FileError) -> UInt64 {
        var numbers: [UInt64] = []
        var isWhole = Tar.addPieces(header[Tar.sparsePieces.range], to: &numbers)
        var goesOn = header[Tar.sparseGoesOn] != 0
        while goesOn, isWhole, numbers.count < 2 * SparseMap.maxExtents {
            guard let block = try readBlock() else { throw damaged("it ends in the middle of \(current)") }
            isWhole = Tar.addPieces(block[Tar.moreSparsePieces.range], to: &numbers)
            goesOn = block[Tar.moreSparseGoesOn] != 0
        }
        guard !goesOn, isWhole, let size = Tar.number(header[Tar.sparseSize.range]),
            let map = SparseMap(size: size, numbers: numbers), map.stored == stored
        else { throw badMap }
        begin(stored)
        sparse = map
        return size
    }

    /// Completes the map of a pax format.
    /// - Returns: the file's size.
    private func beginSparse(_ headers: SparseHeaders, _ stored: UInt64) throws(FileError) -> UInt64 {
        guard headers.isKnown else { throw unusable("is stored as a sparse file in an unknown format") }
        begin(stored)
        let map = headers.map(inContent: headers.isMapInContent ? try readMap() : [], stored: left)
        guard let map else { throw badMap }
        sparse = map
        return map.size
    }

    /// Reads a map at the start of the content, in decimal numbers, one per line: the number of extents, then offset
    /// and count of each. The content begins with the next block.
    private func readMap() throws(FileError) -> [UInt64] {
        let whole = left
        var numbers: [UInt64] = []
        var digits: [UInt8] = []
        var most = 1
        while numbers.count < most {
            guard left > 0 else { throw badMap }
            if filled.isEmpty { try fill() }
            guard let byte = filled.first.map({ buffer[$0] }) else { throw badMap }
            filled = filled.dropFirst()
            left -= 1
            guard byte == 0x0a else {
                guard digits.count < 20 else { throw badMap }
                digits.append(byte)
                continue
            }
            guard let number = SparseHeaders.number(digits[...]) else { throw badMap }
            digits.removeAll(keepingCapacity: true)
            if numbers.isEmpty {
                guard number <= UInt64(SparseMap.maxExtents) else { throw badMap }
                most = 1 + 2 * Int(number)
            }
            numbers.append(number)
        }
        var rest = Tar.padding(whole - left)
        guard UInt64(rest) <= left else { throw badMap }
        while rest > 0 {
            if filled.isEmpty { try fill() }
            let count = min(filled.count, rest)
            filled = filled.dropFirst(count)
            rest -= count
            left -= UInt64(count)
        }
        return Array(numbers.dropFirst())
    }

    private var badMap: FileError { damaged("the holes of \(current) make no sense") }

    private func readComments(_ records: [UInt8]) throws(FileError) {
        var comments = Changes()
        try comments.add(records)
        guard let comment = comments.comment, comment.hasPrefix(TarReader.leftOutPrefix) else { return }
        guard leftOut.count < TarReader.maxLeftOut else { return }
        leftOut.append(String(comment.dropFirst(TarReader.leftOutPrefix.count).prefix(4096)))
    }

    // MARK: Blocks

    private func begin(_ size: UInt64) {
        left = size
        padding = Tar.padding(size)
    }

    private func skip() throws(FileError) {
        sparse = nil
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

    /// Returns nil at the end of the archive, which is a block of zeros, or the end of the stream.
    private func readHeader() throws(FileError) -> [UInt8]? {
        guard let header = try readBlock() else { return nil }
        if header.allSatisfy({ $0 == 0 }) { return nil }
        let (sum, signedSum) = Tar.sums(header[...])
        guard let said = Tar.number(header[Tar.checksum.range]), said == sum || Int64(clamping: said) == signedSum
        else {
            throw isFirst ? noArchive(header) : damaged("a header with a wrong checksum")
        }
        isFirst = false
        return header
    }

    /// Returns nil at the end of the stream.
    private func readBlock() throws(FileError) -> [UInt8]? {
        var block: [UInt8] = []
        while block.count < Tar.block {
            if filled.isEmpty, try refill() == 0 {
                guard isFirst || !block.isEmpty else { return nil }
                throw isFirst ? noArchive(block) : damaged("it ends in the middle of a header")
            }
            let count = min(filled.count, Tar.block - block.count)
            block += buffer[filled.prefix(count)]
            filled = filled.dropFirst(count)
        }
        return block
    }

    /// The error for a stream that does not begin with a header.
    private func noArchive(_ start: [UInt8]) -> FileError {
        // gzip, zstd, xz, bzip2
        let compressed: [[UInt8]] = [
            [0x1f, 0x8b], [0x28, 0xb5, 0x2f, 0xfd], [0xfd, 0x37, 0x7a], [0x42, 0x5a, 0x68],
        ]
        return FileError(
            .invalidArgument,
            compressed.contains { start.starts(with: $0) }
                ? "the archive is compressed: unpack it to a plain tar first" : "this is not a tar archive", .badArchive
        )
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
