// SPDX-License-Identifier: Apache-2.0

internal import CLinux
package import Glibc

/// A directory that is held open. It stays the same directory even if it is renamed or another takes its name.
package final class Directory: Sendable {
    package let raw: Int32

    /// - Parameter raw: a descriptor of any kind, also with O_PATH; it is closed with this object.
    package init(adopting raw: Int32) {
        self.raw = raw
    }

    deinit { close(raw) }

    /// - Throws: `FileError` if `path` is not a directory.
    package convenience init(path: [UInt8]) throws(FileError) {
        let raw = path.withC { Glibc.open($0, berth_o_path | O_DIRECTORY | O_CLOEXEC) }
        guard raw >= 0 else { throw FileError(errno, path.shown) }
        self.init(adopting: raw)
    }

    /// openat(2) with O_CLOEXEC.
    package func open(_ name: [UInt8], _ flags: Int32, mode: UInt32 = 0) -> Int32 {
        name.withC { openat(raw, $0, flags | O_CLOEXEC, mode) }
    }

    /// Opens a directory in this one, but not through a link. Returns nil and sets errno if that fails.
    package func directory(_ name: [UInt8]) -> Directory? {
        let inner = open(name, berth_o_path | O_DIRECTORY | O_NOFOLLOW)
        return inner >= 0 ? Directory(adopting: inner) : nil
    }

    /// The status of an entry; of a link, the link's own. Returns nil and sets errno if that fails.
    package func status(_ name: [UInt8]) -> stat? {
        var status = stat()
        return name.withC { fstatat(raw, $0, &status, AT_SYMLINK_NOFOLLOW) } == 0 ? status : nil
    }

    package var status: stat {
        var status = stat()
        fstat(raw, &status)
        return status
    }

    /// The names of all entries, sorted by their bytes. Returns nil and sets errno if that fails.
    package func names() -> [[UInt8]]? {
        let own = open([UInt8(ascii: ".")], O_RDONLY | O_DIRECTORY)
        guard own >= 0 else { return nil }
        guard let entries = fdopendir(own) else {
            let number = errno
            close(own)
            errno = number
            return nil
        }
        defer { closedir(entries) }
        var names: [[UInt8]] = []
        while let entry = readdir(entries) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name != [0x2e], name != [0x2e, 0x2e] { names.append(name) }
        }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// The target of a link; nil with errno.
    package func link(_ name: [UInt8]) -> [UInt8]? {
        withUnsafeTemporaryAllocation(byteCount: Int(PATH_MAX), alignment: 1) { buffer in
            let bytes = buffer.assumingMemoryBound(to: CChar.self)
            guard let base = bytes.baseAddress else { return nil }
            let count = name.withC { readlinkat(raw, $0, base, bytes.count) }
            return count >= 0 ? Array(buffer[..<count]) : nil
        }
    }
}

extension Directory {
    /// The target of a link; nil with errno.
    package static func link(_ path: [UInt8]) -> [UInt8]? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX)) { room in
            guard let base = room.baseAddress else { return nil }
            let count = path.withC { readlink($0, base, room.count) }
            return count >= 0 ? room[..<count].map { UInt8(bitPattern: $0) } : nil
        }
    }

    /// rename(2). Returns false and sets errno if it fails.
    package func rename(_ name: [UInt8], to new: [UInt8], in target: Directory, neverReplaces: Bool) -> Bool {
        name.withC { old in
            new.withC { new in
                let result = berth_rename(raw, old, target.raw, new, neverReplaces ? 1 : 0)
                errno = -result
                return result == 0
            }
        }
    }

    /// chmod(2) of an entry, or of the directory itself; a link is not followed. Returns false and sets errno if it
    /// fails.
    package func changeMode(_ name: [UInt8]?, _ mode: UInt32) -> Bool {
        // The entry may be unreadable, so it is opened with O_PATH. fchmod(2) refuses such a descriptor, hence the
        // path.
        let opened = open(name ?? [UInt8(ascii: ".")], berth_o_path | O_NOFOLLOW)
        guard opened >= 0 else { return false }
        let entry = Directory(adopting: opened)
        guard !entry.status.isLink else {
            errno = ELOOP
            return false
        }
        return chmod("/proc/self/fd/\(opened)", mode) == 0
    }
}

extension stat {
    package var kind: UInt32 { st_mode & S_IFMT }
    package var isDirectory: Bool { kind == S_IFDIR }
    package var isRegular: Bool { kind == S_IFREG }
    package var isLink: Bool { kind == S_IFLNK }
    package var permissions: UInt32 { st_mode & 0o7777 }
}
