// SPDX-License-Identifier: Apache-2.0

internal import CAgent
internal import FileTree
internal import Glibc

/// A directory that programs can write to: the root of a file system in memory.
final class Place {
    /// A name in it, and what it refers to.
    struct Entry: Equatable {
        let name: [UInt8]
        let device: UInt64
        let inode: UInt64
        let mode: UInt32
        let uid: UInt32
        let gid: UInt32
        let special: UInt64
    }

    /// Everything about it that is visible from outside.
    struct State: Equatable {
        var mode: UInt32
        var uid: UInt32
        var gid: UInt32
        /// The names of its extended attributes.
        var attributes: [UInt8]
        /// The flags of `chattr`.
        var flags: Int32
        /// Blocks in use, including deleted files that are still open; 0 if the file system does not count.
        var blocks: UInt64
        var files: UInt64
        /// Its entries, sorted by name.
        var entries: [Entry]
    }

    let path: String
    private let descriptor: Descriptor
    private let times: (timespec, timespec)
    private(set) var start = State(mode: 0, uid: 0, gid: 0, attributes: [], flags: 0, blocks: 0, files: 0, entries: [])

    /// - Throws: `Unprovable` if the present state could not be told from what a program may make of it.
    init(path: String) throws(Unprovable) {
        self.path = path
        let raw = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard raw >= 0 else { throw Unprovable("\(path): \(lastErrorWords())") }
        let low = Descriptor(raw)
        guard let high = try? Descriptor.copy(of: low.raw, minimum: 64) else {
            throw Unprovable("\(path): \(lastErrorWords())")
        }
        descriptor = high
        var status = stat()
        fstat(descriptor.raw, &status)
        times = (status.st_atim, status.st_mtim)
        start = try state()
        for entry in start.entries {
            switch entry.mode & S_IFMT {
            case S_IFREG:
                throw Unprovable("\(path) holds a file from the start, which programs may change")
            case S_IFDIR where entry.device == UInt64(status.st_dev):
                throw Unprovable("\(path) holds a directory from the start, in which programs may leave something")
            default:
                break
            }
        }
    }

    /// Gives a place that belongs to a user the mode that it was mounted with, since runc 1.1 gives it the mode of the image's
    /// directory instead. It must be called before any program runs.
    static func makeWritable(_ mount: Mount) {
        guard mount.type == "tmpfs", mount.isWritable else { return }
        var status = stat()
        // Places of root (/dev, read-only parts of an image) are as the runtime wants them.
        guard stat(mount.path, &status) == 0, status.isDirectory, status.st_uid != 0 else { return }
        if status.permissions != 0o1777 { berth_change_mode(mount.path, status.st_uid, 0o1777) }
    }

    /// Removes what was not there at the start, and restores mode and times of the directory.
    func restore(deadline: UInt64) throws(Unprovable) {
        // Programs of its owner may have changed the mode, so that nothing could be removed.
        try giveBack()
        var names = start.entries.map { entry in
            UnsafePointer(strdup(entry.name.map(CChar.init(bitPattern:)) + [0]))
        }
        names.append(nil)
        defer { for name in names { free(UnsafeMutablePointer(mutating: name)) } }
        let result = berth_empty_directory(descriptor.raw, &names, deadline)
        guard result == 0 else {
            throw Unprovable("\(path) could not be emptied: \(String(cString: strerror(-result)))")
        }
        try giveBack()
    }

    /// Restores mode, flags and times, as its owner.
    private func giveBack() throws(Unprovable) {
        var before = berth_directory(mode: start.mode, flags: start.flags, times: times)
        let result = berth_restore_directory(descriptor.raw, &before)
        guard result == 0 else { throw Unprovable("\(path): \(String(cString: strerror(-result)))") }
    }

    /// What differs from the start; nil if nothing does.
    func difference() throws(Unprovable) -> String? {
        let now = try state()
        if now == start { return nil }
        if now.entries != start.entries { return "\(path) does not hold what it held" }
        if now.mode != start.mode || now.uid != start.uid || now.gid != start.gid || now.attributes != start.attributes
            || now.flags != start.flags
        {
            return "\(path) has another mode, owner or attributes"
        }
        return "\(path) is not as empty as it was: \(now.blocks) blocks, not \(start.blocks), of \(now.files) files"
    }

    private func state() throws(Unprovable) -> State {
        var status = stat()
        var usage = statvfs()
        guard fstat(descriptor.raw, &status) == 0, fstatvfs(descriptor.raw, &usage) == 0 else {
            throw Unprovable("\(path): \(lastErrorWords())")
        }
        return State(
            mode: status.st_mode, uid: status.st_uid, gid: status.st_gid, attributes: try attributes(),
            flags: berth_directory_flags(descriptor.raw), blocks: UInt64(usage.f_blocks &- usage.f_bfree),
            files: UInt64(usage.f_files &- usage.f_ffree),
            entries: try entries())
    }

    private func attributes() throws(Unprovable) -> [UInt8] {
        var names = [CChar](repeating: 0, count: 4096)
        let count = berth_attribute_names(descriptor.raw, &names, names.count)
        guard count >= 0 else { throw Unprovable("\(path): \(String(cString: strerror(Int32(-count))))") }
        return names[..<count].map(UInt8.init(bitPattern:))
    }

    private func entries() throws(Unprovable) -> [Entry] {
        // An open file description of its own, so that reading begins at the first entry.
        let own = openat(descriptor.raw, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard own >= 0, let directory = fdopendir(own) else { throw Unprovable("\(path): \(lastErrorWords())") }
        defer { closedir(directory) }
        var found: [Entry] = []
        while let next = readdir(directory) {
            let name = withUnsafeBytes(of: next.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name == Array(".".utf8) || name == Array("..".utf8) { continue }
            var status = stat()
            let text = name.map(CChar.init(bitPattern:)) + [0]
            guard fstatat(descriptor.raw, text, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
                throw Unprovable("\(path): \(lastErrorWords())")
            }
            found.append(
                Entry(
                    name: name, device: UInt64(status.st_dev), inode: UInt64(status.st_ino), mode: status.st_mode,
                    uid: status.st_uid, gid: status.st_gid, special: UInt64(status.st_rdev)))
        }
        return found.sorted { $0.name.lexicographicallyPrecedes($1.name) }
    }
}

/// Why it cannot be proven that a container is as it was at its start.
struct Unprovable: Error {
    let words: String

    init(_ words: String) { self.words = words }
}

func lastErrorWords() -> String { String(cString: strerror(errno)) }
