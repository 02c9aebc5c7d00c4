// SPDX-License-Identifier: Apache-2.0

internal import CLinux
package import Glibc

/// A file that is being written. It gets its name when it is complete, and atomically replaces what has that name.
///
/// Until then it has no name, so the kernel removes it if this object is deallocated or the process is killed. On a
/// file system without nameless files it has a temporary name, which stays if the process is killed.
package final class NewFile {
    package let file: File
    private let directory: Directory
    private let path: String
    /// UTIME_OMIT
    private static let omit = (1 << 30) - 2
    /// The temporary name, on a file system that has no nameless files.
    private var temporary: [UInt8]?

    /// - Parameter path: for messages.
    package init(in directory: Directory, path: String) throws(FileError) {
        self.directory = directory
        self.path = path
        // A nameless file gets its name through /proc.
        let hasNames = access("/proc/self/fd", X_OK) == 0
        var raw = hasNames ? directory.open([0x2e], berth_o_tmpfile | O_RDWR, mode: 0o600) : -1
        if raw < 0, !hasNames || errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL {
            let name = NewFile.temporaryName()
            raw = directory.open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
            if raw >= 0 { temporary = name }
        }
        guard raw >= 0 else { throw FileError(errno, path) }
        file = File(adopting: raw)
    }

    deinit { removeTemporary() }

    /// Runs of zeros of at least this many bytes become holes, so a sparse file stays sparse, however it was sent.
    private static let minHole = 32 << 10
    private static let block = 4 << 10
    /// Zeros at the end of the file that are not written yet.
    private var hole = 0

    package func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let zeros = NewFile.zeros(UnsafeRawBufferPointer(rebasing: rest))
            if zeros > 0 {
                hole += zeros
                rest = rest.dropFirst(zeros)
                continue
            }
            try closeHole()
            // Writes up to the next block that has only zeros.
            var count = min(NewFile.block, rest.count)
            while count < rest.count, NewFile.zeros(UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))) == 0 {
                count = min(count + NewFile.block, rest.count)
            }
            try file.write(UnsafeRawBufferPointer(rebasing: rest.prefix(count)), path: path)
            rest = rest.dropFirst(count)
        }
    }

    /// Has the same effect as writing that many zeros.
    package func skip(_ zeros: UInt64) throws(FileError) {
        let (sum, isOver) = hole.addingReportingOverflow(Int(clamping: zeros))
        guard !isOver else { throw FileError(EFBIG, path) }
        hole = sum
    }

    /// The number of zeros at the start of `bytes`, counted in whole blocks; only the last block may be shorter.
    private static func zeros(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard let start = bytes.baseAddress else { return 0 }
        var count = 0
        while count < bytes.count {
            let size = min(block, bytes.count - count)
            guard bytes[count] == 0, memcmp(start + count, start + count + 1, size - 1) == 0 else { break }
            count += size
        }
        return count
    }

    /// Must be called before other bytes are written: makes the pending zeros a hole, or writes them if they are too
    /// few.
    private func closeHole() throws(FileError) {
        guard hole > 0 else { return }
        defer { hole = 0 }
        if hole >= NewFile.minHole {
            guard lseek(file.raw, off_t(hole), SEEK_CUR) >= 0 else { throw FileError(errno, path) }
            return
        }
        let zeros = UnsafeMutableRawBufferPointer.allocate(byteCount: hole, alignment: 16)
        defer { zeros.deallocate() }
        zeros.initializeMemory(as: UInt8.self, repeating: 0)
        try file.write(UnsafeRawBufferPointer(zeros), path: path)
    }

    /// Gives the file its name, mode and modification time.
    /// - Parameter modified: nil keeps the time of the last write.
    package func commit(as name: [UInt8], mode: UInt32, modified: timespec? = nil) throws(FileError) {
        if hole > 0 {
            let size = lseek(file.raw, 0, SEEK_CUR) + off_t(hole)
            guard ftruncate(file.raw, size) == 0 else { throw FileError(errno, path) }
        }
        guard fchmod(file.raw, mode) == 0 else { throw FileError(errno, path) }
        if let modified {
            var times = [timespec(tv_sec: 0, tv_nsec: NewFile.omit), modified]
            futimens(file.raw, &times)
        }
        if temporary == nil {
            if link(as: name) { return }
            guard errno == EEXIST else { throw FileError(errno, path) }
            // linkat(2) can't replace a name that is in use, but rename(2) can: it needs a temporary name.
            let stopover = NewFile.temporaryName()
            guard link(as: stopover) else { throw FileError(errno, path) }
            temporary = stopover
        }
        guard let from = temporary else { preconditionFailure("a file without a name is renamed") }
        let result = from.withC { from in name.withC { renameat(directory.raw, from, directory.raw, $0) } }
        guard result == 0 else { throw FileError(errno, path) }
        temporary = nil
    }

    private func link(as name: [UInt8]) -> Bool {
        name.withC { linkat(AT_FDCWD, "/proc/self/fd/\(file.raw)", directory.raw, $0, AT_SYMLINK_FOLLOW) } == 0
    }

    private func removeTemporary() {
        guard let name = temporary.take() else { return }
        _ = name.withC { unlinkat(directory.raw, $0, 0) }
    }

    /// Creates a symbolic link, which atomically replaces what has its name.
    package static func link(
        to target: [UInt8], in directory: Directory, as name: [UInt8], modified: timespec, path: String
    ) throws(FileError) {
        let temporary = temporaryName()
        let made = temporary.withC { link in target.withC { symlinkat($0, directory.raw, link) } }
        guard made == 0 else { throw FileError(errno, path) }
        var times = [modified, modified]
        _ = temporary.withC { utimensat(directory.raw, $0, &times, AT_SYMLINK_NOFOLLOW) }
        try rename(temporary, to: name, in: directory, path: path)
    }

    /// Creates a hard link to a file, which atomically replaces what has its name.
    package static func link(
        _ existing: (directory: Directory, name: [UInt8]), in directory: Directory, as name: [UInt8], path: String
    ) throws(FileError) {
        let temporary = temporaryName()
        let made = existing.name.withC { old in
            temporary.withC { linkat(existing.directory.raw, old, directory.raw, $0, 0) }
        }
        guard made == 0 else { throw FileError(errno, path) }
        try rename(temporary, to: name, in: directory, path: path)
        // If both are names of the same file, rename(2) has done nothing.
        _ = temporary.withC { unlinkat(directory.raw, $0, 0) }
    }

    private static func rename(
        _ temporary: [UInt8], to name: [UInt8], in directory: Directory, path: String
    ) throws(FileError) {
        let result = temporary.withC { from in name.withC { renameat(directory.raw, from, directory.raw, $0) } }
        guard result != 0 else { return }
        let error = FileError(errno, path)
        _ = temporary.withC { unlinkat(directory.raw, $0, 0) }
        throw error
    }

    private static func temporaryName() -> [UInt8] {
        Array(".berth-\(String(UInt64.random(in: .min ... .max), radix: 36))".utf8)
    }
}
