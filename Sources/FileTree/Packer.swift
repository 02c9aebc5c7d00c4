// SPDX-License-Identifier: Apache-2.0

package import Glibc

/// Packs a directory, or one file, into a tar archive. Names are relative to the directory, which itself is "./".
/// Sockets, pipes, devices and other file systems are left out. Links are stored as links, and a file with several
/// names is stored once.
package struct Packer {
    private struct Identity: Hashable {
        let device: UInt64
        let inode: UInt64
    }

    private struct Level {
        let directory: Directory
        /// The path of the directory with a slash at its end; empty for the first level.
        let prefix: [UInt8]
        var names: ArraySlice<[UInt8]>
    }

    /// Maximum bytes of a file of /proc or /sys, which is read into memory as a whole.
    private static let maxOfKernels = 16 << 20

    /// Names that were left out, each with the reason. The archive has them as comments (`TarReader.leftOut`).
    package private(set) var leftOut: [String] = []
    private var tar: TarWriter
    private var stored: [Identity: [UInt8]] = [:]
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 128 << 10, alignment: 16)

    package init(_ sink: @escaping TarWriter.Sink) {
        tar = TarWriter(sink)
    }

    /// Adds one file under a name, and ends the archive.
    package mutating func pack(_ file: File, _ status: stat, name: [UInt8]) throws(FileError) {
        defer { buffer.deallocate() }
        try add(file, TarEntry(name: name, kind: .file, status: status))
        try tar.finish()
    }

    /// Adds a directory, and ends the archive. Entries that vanish meanwhile are left out.
    /// - Parameter path: for messages.
    package mutating func pack(_ directory: Directory, path: String) throws(FileError) {
        defer { buffer.deallocate() }
        let device = directory.status.st_dev
        try tar.begin(TarEntry(name: Array("./".utf8), kind: .directory, status: directory.status))
        guard let names = directory.names() else { throw FileError(errno, path) }
        var levels = [Level(directory: directory, prefix: [], names: names[...])]
        while var level = levels.popLast() {
            guard let name = level.names.popFirst() else { continue }
            levels.append(level)
            let full = level.prefix + name
            guard let status = level.directory.status(name) else { continue }
            switch status.kind {
            case S_IFDIR where status.st_dev == device:
                guard let inner = level.directory.directory(name) else {
                    if errno == ENOENT || errno == ENOTDIR { continue }
                    throw FileError(errno, "\(path)/\(full.shown)")
                }
                guard let names = inner.names() else { throw FileError(errno, "\(path)/\(full.shown)") }
                try tar.begin(TarEntry(name: full, kind: .directory, status: inner.status))
                levels.append(
                    Level(directory: inner, prefix: full + [UInt8(ascii: "/")], names: names[...]))
            case S_IFLNK:
                guard let target = level.directory.link(name) else { continue }
                try tar.begin(TarEntry(name: full, kind: .symbolicLink(target), status: status))
            case S_IFREG:
                try addFile(level.directory, name, full, path: "\(path)/\(full.shown)")
            case S_IFDIR: try leaveOut(full, "is on another file system")
            case S_IFIFO: try leaveOut(full, "is a pipe")
            case S_IFSOCK: try leaveOut(full, "is a socket")
            default: try leaveOut(full, "is a device")
            }
        }
        try tar.finish()
    }

    private mutating func leaveOut(_ name: [UInt8], _ why: String) throws(FileError) {
        guard leftOut.count < TarReader.maxLeftOut else { return }
        let words = "\(name.shown): \(why)"
        leftOut.append(words)
        try tar.comment(TarReader.leftOutPrefix + words)
    }

    private mutating func addFile(
        _ directory: Directory, _ name: [UInt8], _ full: [UInt8], path: String
    ) throws(FileError) {
        let raw = directory.open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
        guard raw >= 0 else {
            if errno == ENOENT || errno == ELOOP { return }
            throw FileError(errno, path)
        }
        let file = File(adopting: raw)
        let status = file.status
        guard status.isRegular else { return }
        if status.st_nlink > 1 {
            let identity = Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
            if let first = stored[identity] {
                return try tar.begin(TarEntry(name: full, kind: .hardLink(first), status: status))
            }
            stored[identity] = full
        }
        try add(file, TarEntry(name: full, kind: .file, status: status))
    }

    private mutating func add(_ file: File, _ entry: TarEntry) throws(FileError) {
        guard !file.isKernels else { return try addKernels(file, entry) }
        try tar.begin(entry)
        var left = entry.size
        while left > 0 {
            let room = UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(Int(clamping: left)))
            let count = try file.read(into: room, path: entry.name.shown)
            guard count > 0 else {
                throw FileError(.failedPrecondition, "\(entry.name.shown): became shorter while it was read")
            }
            try tar.write(UnsafeRawBufferPointer(rebasing: room[..<count]))
            left -= UInt64(count)
        }
    }

    /// Adds a file of /proc or /sys. It is read before its header is written, since only then its size is known.
    private mutating func addKernels(_ file: File, _ entry: TarEntry) throws(FileError) {
        var content: [UInt8] = []
        while true {
            let count = try file.read(into: buffer, path: entry.name.shown)
            if count == 0 { break }
            content += buffer[..<count]
            guard content.count <= Packer.maxOfKernels else {
                throw FileError(
                    .resourceExhausted,
                    "\(entry.name.shown): is made by the kernel and longer than \(Packer.maxOfKernels >> 20) MiB: "
                        + "read it with a program, or in parts")
            }
        }
        var whole = entry
        whole.size = UInt64(content.count)
        try tar.begin(whole)
        var failure: FileError?
        content.withUnsafeBytes { bytes in
            do throws(FileError) { try tar.write(bytes) } catch let error { failure = error }
        }
        if let failure { throw failure }
    }
}
