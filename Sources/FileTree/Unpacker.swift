// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Unpacks a tar archive into a directory, and nothing of it anywhere else.
///
/// An entry's name is walked from the directory without ever leaving it, whatever stands on the way by then and whoever
/// put it there, this archive included. Links may lead anywhere, as text; none is followed out. Files are complete under
/// their names or not there; they belong to who unpacks them, and lose the set-user-ID and set-group-ID bits.
package struct Unpacker {
    private let root: Directory
    private let walk: PathWalk
    private let made = MadeDirectories()
    /// Directories get mode and time last: what is unpacked into them needs the one and changes the other.
    private var directories: [TarEntry] = []
    /// Entries that are no directories.
    package private(set) var files: UInt64 = 0

    /// - Parameter isNew: the directory was made for this, and gets the mode and time that the archive has for it. One that
    ///   was there before keeps its own, and so do all below it.
    package init(into root: Directory, isNew: Bool = false) {
        self.root = root
        if isNew { made.insert(root.status) }
        walk = PathWalk(root: root, outside: .invalidArgument)
    }

    /// Unpacks all that a reader has.
    package mutating func unpack(_ reader: TarReader) throws(FileError) {
        while let entry = try reader.next() { try unpack(entry, reader) }
        try reader.drain()
        finish()
    }

    /// Unpacks the entry that `reader` has come to.
    package mutating func unpack(_ entry: TarEntry, _ reader: TarReader) throws(FileError) {
        let path = entry.name.shown
        let steps = try Unpacker.steps(entry.name, path: path)
        if entry.kind == .directory { return try unpackDirectory(entry, steps, path) }
        guard !steps.isEmpty else { throw FileError(.invalidArgument, "\(path): is the directory itself", .badArchive) }
        // What stands at the name is replaced, a link too: nothing is written through one.
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

    /// Writes the content of the entry that `reader` has come to.
    package static func write(
        _ entry: TarEntry, _ reader: TarReader, to file: NewFile, as name: [UInt8]
    ) throws(FileError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            // Not read as zeros: a hole of a terabyte takes no time so.
            try file.skip(reader.skipHole())
            let count = try reader.read(into: buffer)
            if count == 0 { break }
            try file.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
        try file.commit(as: name, mode: entry.mode & 0o777, modified: entry.modified)
    }

    /// Gives the directories their modes and times. Also to be called after a failure.
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
            // A link that leads to a directory within stays: it was put there for this.
            guard status.isDirectory else {
                throw FileError(.failedPrecondition, "\(path): is there, and not a directory", .notADirectory)
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
