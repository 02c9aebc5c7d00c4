// SPDX-License-Identifier: Apache-2.0

internal import FileTree
package import Glibc
package import Pool

/// File operations of the server and its runtimes, with errors that name the path.
package enum Files {
    package static func makeDirectory(_ path: String, mode: mode_t = 0o755) throws(RuntimeError) {
        if mkdir(path, mode) == 0 {
            // mkdir(2) has applied the umask of the server.
            guard chmod(path, mode) == 0 else { throw failure("chmod", path) }
        } else if errno != EEXIST {
            throw failure("mkdir", path)
        }
    }

    /// Creates a directory if it is missing. The mode of an existing one is left to its owner.
    package static func ensureDirectory(_ path: String) throws(RuntimeError) {
        if mkdir(path, 0o755) != 0 && errno != EEXIST { throw failure("mkdir", path) }
    }

    /// Creates the directory `path` below `base`, with all missing directories between them. `base` must exist.
    package static func makeDirectories(_ base: String, _ path: String) throws(RuntimeError) {
        var current = base
        for component in path.split(separator: "/") {
            current += "/\(component)"
            try makeDirectory(current)
        }
    }

    package static func write(_ path: String, _ content: some Sequence<UInt8>, mode: mode_t = 0o644)
        throws(RuntimeError)
    {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode)
        guard descriptor >= 0 else { throw failure("create", path) }
        defer { close(descriptor) }
        fchmod(descriptor, mode)
        var rest = Array(content)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count >= 0 else { throw failure("write", path) }
            rest = rest.dropFirst(count)
        }
    }

    /// The content of a file; nil if it can't be read or is longer than `limit` bytes.
    package static func read(_ path: String, limit: Int = 1 << 20) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var content: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 14)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count == 0 { return content }
            guard count > 0, content.count + count <= limit else { return nil }
            content += buffer.prefix(count)
        }
    }

    /// The text of a file; empty if it can't be read or is longer than `limit` bytes.
    package static func text(_ path: String, limit: Int = 1 << 20) -> String {
        String(decoding: read(path, limit: limit) ?? [], as: UTF8.self)
    }

    /// The names in a directory, sorted; empty if it can't be opened.
    package static func list(_ path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    package enum Kind { case absent, directory, symlink(String), other }

    package static func kind(_ path: String) -> Kind {
        var info = stat()
        guard lstat(path, &info) == 0 else { return .absent }
        switch info.st_mode & S_IFMT {
        case S_IFDIR: return .directory
        case S_IFLNK:
            var target = [CChar](repeating: 0, count: 4096)
            let count = readlink(path, &target, target.count)
            return .symlink(String(decoding: target.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self))
        default: return .other
        }
    }

    package static func exists(_ path: String) -> Bool {
        if case .absent = kind(path) { return false }
        return true
    }

    /// Removes a directory tree, or a file. It never follows a link or enters another file system.
    package static func removeTree(_ path: String) throws(RuntimeError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.isDirectory else {
            if unlink(path) != 0 && errno != ENOENT { throw failure("remove", path) }
            return
        }
        let name = path.split(separator: "/").last ?? ""
        do throws(FileError) {
            let parent = try Directory(path: Array(path.utf8.dropLast(name.utf8.count)))
            try TreeRemoval.remove(Array(name.utf8), in: parent, path: path)
        } catch {
            if error.reason == .noSuchFile { return }
            throw RuntimeError(.failed, "remove \(error.message)")
        }
    }

    package static func failure(_ what: String, _ path: String) -> RuntimeError {
        let code = errno
        let cause: RuntimeError.Cause = code == ENOSPC || code == ENOMEM ? .outOfMemory : .failed
        let advice = code == EROFS ? Surroundings.current.advice(onReadOnly: path) : ""
        return RuntimeError(cause, "\(what) \(path): \(String(cString: strerror(code)))\(advice)", errno: code)
    }
}
