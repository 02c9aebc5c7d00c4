// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Unpacks a tar archive into a directory, and writes nothing outside of it.
///
/// `PathWalk` follows the name of each entry and never leaves the directory, even if there are hostile links on the
/// way, for example from this archive. Links may have any target, but none that leads outside is followed. A file
/// appears under its name only when it is complete. It belongs to the user who unpacks it, and loses the set-user-ID
/// and set-group-ID bits.
package struct Unpacker {
    private let root: Directory
    private let walk: PathWalk
    private let made = MadeDirectories()
    /// Directories that still need their mode and time. They get them last, since unpacking into a directory needs
    /// write permission and changes the time.
    private var directories: [TarEntry] = []
    /// Number of entries that were unpacked and are not directories.
    package private(set) var files: UInt64 = 0

    /// - Parameter isNew: whether the directory was created for this archive, and gets the mode and time that the
    ///   archive has for it. Directories that existed before, `root` or below it, keep their mode and time.
    package init(into root: Directory, isNew: Bool = false) {
        self.root = root
        if isNew { made.insert(root.status) }
        walk = PathWalk(root: root, outside: .invalidArgument)
    }

    /// Unpacks all entries of a reader.
    package mutating func unpack(_ reader: TarReader) throws(FileError) {
        while let entry = try reader.next() { try unpack(entry, reader) }
        try reader.drain()
        finish()
    }

    /// Unpacks the current entry of `reader`.
    package mutating func unpack(_ entry: TarEntry, _ reader: TarReader) throws(FileError) {
        let path = entry.name.shown
        let steps = try Unpacker.steps(entry.name, path: path)
        if entry.kind == .directory { return try unpackDirectory(entry, steps, path) }
        guard !steps.isEmpty else { throw FileError(.invalidArgument, "\(path): is the directory itself", .badArchive) }
        // An existing entry is replaced, also a link: nothing is written through a link.
        let spot = try walk(steps, followsLast: false, makesParents: true, made: made, path: path)
        guard let name = spot.name else {
            throw FileError(.invalidArgument, "\(path): is the directory itself", .badArchive)
        }
        if let status = spot.status, status.isDirectory { throw FileError(EISDIR, path) }
        switch entry.kind {
        case .file:
            try Unpacker.write(entry, reader, to: NewFile(in: spot.directory, path: path), as: name)
        case .symbolicLink(let target):
            try NewFile.link(to: target, in: spot.directory, as: name, modified: entry.modified, path: path)
        case .hardLink(let target):
            let old = try walk(try Unpacker.steps(target, path: path), followsLast: false, path: path)
            guard let oldName = old.name, let status = old.status else {
                throw FileError(
                    .invalidArgument, "\(path): is a link to \(target.shown), which is not there", .badArchive)
            }
            guard !status.isDirectory else { throw FileError(wrongKind: status, "\(path): \(target.shown)") }
            try NewFile.link((old.directory, oldName), in: spot.directory, as: name, path: path)
        case .directory:
            break
        }
        files += 1
    }

    /// Writes the content of the current entry of `reader`.
    package static func write(
        _ entry: TarEntry, _ reader: TarReader, to file: NewFile, as name: [UInt8]
    ) throws(FileError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            // Skipped instead of read as zeros, so that a hole of a terabyte takes no time.
            try file.skip(reader.skipHole())
            let count = try reader.read(into: buffer)
            if count == 0 { break }
            try file.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
        try file.commit(as: name, mode: entry.mode & 0o777, modified: entry.modified)
    }

    /// Gives the directories their modes and times. Must also be called after a failure.
    package mutating func finish() {
        for entry in directories.reversed() {
            let path = entry.name.shown
            guard let steps = try? Unpacker.steps(entry.name, path: path),
                let spot = try? walk(steps, followsLast: false, path: path),
                let directory = try? spot.openDirectory(path: path)
            else { continue }
            let raw = directory.open([0x2e], O_RDONLY | O_DIRECTORY)
            guard raw >= 0 else { continue }
            let file = File(adopting: raw)
            fchmod(file.raw, entry.mode & 0o1777)
            var times = [entry.modified, entry.modified]
            futimens(file.raw, &times)
        }
        directories = []
    }

    private mutating func unpackDirectory(
        _ entry: TarEntry, _ steps: [[UInt8]], _ path: String
    ) throws(FileError) {
        let spot = try walk(steps, makesParents: true, made: made, path: path)
        if let status = spot.status {
            // A link to a directory inside stays: somebody put it there on purpose.
            guard status.isDirectory else {
                throw FileError(.failedPrecondition, "\(path): exists and is not a directory", .notADirectory)
            }
            if made.contains(status) { directories.append(entry) }
        } else if let name = spot.name {
            guard name.withC({ mkdirat(spot.directory.raw, $0, 0o700) }) == 0 else { throw FileError(errno, path) }
            if let status = spot.directory.status(name) { made.insert(status) }
            directories.append(entry)
        }
    }

    private static func steps(_ name: [UInt8], path: String) throws(FileError) -> [[UInt8]] {
        guard name.first != UInt8(ascii: "/") else {
            throw FileError(.invalidArgument, "\(path): is absolute, which would lead outside", .badArchive)
        }
        let steps = PathWalk.components(name)
        guard !steps.contains([0x2e, 0x2e]) else {
            throw FileError(.invalidArgument, "\(path): has \"..\" in it, which would lead outside", .badArchive)
        }
        return steps
    }
}
