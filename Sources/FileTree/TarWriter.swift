// SPDX-License-Identifier: Apache-2.0

/// Writes a tar archive in ustar format, with a pax header for what ustar can't express. Every tar reads it.
package struct TarWriter {
    package typealias Sink = (UnsafeRawBufferPointer) throws(FileError) -> Void

    private static let flushSize = 64 << 10

    private let sink: Sink
    private var buffer: [UInt8] = []
    /// Bytes of the current entry's content that are still to be written.
    private var left: UInt64 = 0
    private var padding = 0

    package init(_ sink: @escaping Sink) {
        self.sink = sink
        buffer.reserveCapacity(TarWriter.flushSize + 4 * Tar.block)
    }

    /// Writes the header of an entry. Exactly `entry.size` bytes of content must follow.
    package mutating func begin(_ entry: TarEntry) throws(FileError) {
        precondition(left == 0, "an entry begins within another")
        var records: [UInt8] = []
        var (type, link): (UInt8, [UInt8]) =
            switch entry.kind {
            case .file: (UInt8(ascii: "0"), [])
            case .directory: (UInt8(ascii: "5"), [])
            case .symbolicLink(let target): (UInt8(ascii: "2"), target)
            case .hardLink(let target): (UInt8(ascii: "1"), target)
            }
        var name = entry.name
        if type == UInt8(ascii: "5"), name.last != UInt8(ascii: "/") { name.append(UInt8(ascii: "/")) }
        if name.count > Tar.name.size { TarWriter.add("path", name, to: &records) }
        if link.count > Tar.link.size { TarWriter.add("linkpath", link, to: &records) }
        let isText = String(validating: name, as: UTF8.self) != nil && String(validating: link, as: UTF8.self) != nil
        if !records.isEmpty, !isText {
            // How POSIX marks names that are not UTF-8.
            var charset: [UInt8] = []
            TarWriter.add("hdrcharset", Array("BINARY".utf8), to: &charset)
            records = charset + records
        }
        let size = Tar.octal(entry.size, size: Tar.size.size)
        if size == nil { TarWriter.add("size", Array("\(entry.size)".utf8), to: &records) }
        let modified =
            entry.modifiedSeconds < 0 ? nil : Tar.octal(UInt64(entry.modifiedSeconds), size: Tar.modified.size)
        if modified == nil || entry.modifiedNanoseconds != 0 {
            TarWriter.add("mtime", Array(TarWriter.time(entry).utf8), to: &records)
        }
        if !records.isEmpty {
            let header = TarEntry(name: Array("PaxHeader".utf8), kind: .file, mode: 0o644)
            put(header, type: UInt8(ascii: "x"), size: Tar.octal(UInt64(records.count), size: Tar.size.size))
            buffer += records
            buffer += [UInt8](repeating: 0, count: Tar.padding(UInt64(records.count)))
        }
        var short = entry
        short.name = Array(name.prefix(Tar.name.size))
        link = Array(link.prefix(Tar.link.size))
        put(short, type: type, link: link, size: size, modified: modified)
        left = entry.size
        padding = Tar.padding(entry.size)
        try flush(above: TarWriter.flushSize)
    }

    /// Adds a comment, which other programs ignore.
    package mutating func comment(_ words: String) throws(FileError) {
        precondition(left == 0, "a comment within an entry")
        var records: [UInt8] = []
        TarWriter.add("comment", Array(words.utf8), to: &records)
        put(
            TarEntry(name: Array("pax_global_header".utf8), kind: .file, mode: 0o644), type: UInt8(ascii: "g"),
            size: Tar.octal(UInt64(records.count), size: Tar.size.size))
        buffer += records
        buffer += [UInt8](repeating: 0, count: Tar.padding(UInt64(records.count)))
        try flush(above: TarWriter.flushSize)
    }

    /// Writes content of the current entry.
    package mutating func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        precondition(UInt64(bytes.count) <= left, "more content than the entry's header says")
        left -= UInt64(bytes.count)
        if bytes.count >= TarWriter.flushSize {
            try flush(above: 0)
            try sink(bytes)
        } else {
            buffer += bytes
        }
        if left == 0 {
            buffer += [UInt8](repeating: 0, count: padding)
            padding = 0
        }
        try flush(above: TarWriter.flushSize)
    }

    /// Ends the archive.
    package mutating func finish() throws(FileError) {
        precondition(left == 0, "the archive ends within an entry")
        buffer += [UInt8](repeating: 0, count: 2 * Tar.block)
        try flush(above: 0)
    }

    private mutating func put(
        _ entry: TarEntry, type: UInt8, link: [UInt8] = [], size: [UInt8]?, modified: [UInt8]? = nil
    ) {
        var header = [UInt8](repeating: 0, count: Tar.block)
        func set(_ field: Tar.Field, _ bytes: [UInt8]) {
            header.replaceSubrange(field.offset..<field.offset + bytes.count, with: bytes)
        }
        func number(_ value: UInt64, _ field: Tar.Field) -> [UInt8] {
            Tar.octal(value, size: field.size) ?? Tar.octal(0, size: field.size) ?? []
        }
        set(Tar.name, entry.name)
        set(Tar.mode, number(UInt64(entry.mode), Tar.mode))
        set(Tar.uid, number(entry.uid, Tar.uid))
        set(Tar.gid, number(entry.gid, Tar.gid))
        set(Tar.size, size ?? number(0, Tar.size))
        set(Tar.modified, modified ?? number(0, Tar.modified))
        header[Tar.type] = type
        set(Tar.link, link)
        set(Tar.magic, Array("ustar\u{0}00".utf8))
        set(Tar.checksum, number(Tar.sums(header[...]).0, Tar.Field(offset: 0, size: 7)) + [0x20])
        buffer += header
    }

    private mutating func flush(above limit: Int) throws(FileError) {
        guard buffer.count > limit else { return }
        var error: FileError?
        buffer.withUnsafeBytes { bytes in
            do throws(FileError) { try sink(bytes) } catch let failure { error = failure }
        }
        if let error { throw error }
        buffer.removeAll(keepingCapacity: true)
    }

    /// Adds a record. Its length includes the digits of the length itself.
    private static func add(_ key: String, _ value: [UInt8], to records: inout [UInt8]) {
        let rest = 1 + key.utf8.count + 1 + value.count + 1
        var length = rest + 1
        while "\(length)".utf8.count + rest != length { length = "\(length)".utf8.count + rest }
        records += Array("\(length) \(key)=".utf8) + value + [0x0a]
    }

    private static func time(_ entry: TarEntry) -> String {
        var (seconds, nanoseconds) = (entry.modifiedSeconds, entry.modifiedNanoseconds)
        let isBefore = seconds < 0
        if isBefore, nanoseconds > 0 { (seconds, nanoseconds) = (seconds + 1, 1_000_000_000 - nanoseconds) }
        let text = "\(isBefore ? "-" : "")\(seconds.magnitude)"
        guard nanoseconds > 0 else { return text }
        let digits = "\(nanoseconds)"
        return "\(text).\(String(repeating: "0", count: 9 - digits.count))\(digits)"
    }
}
