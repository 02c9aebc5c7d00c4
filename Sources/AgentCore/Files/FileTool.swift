internal import CLinux
internal import FileTree
internal import Glibc
internal import Schema

/// `berth-agent --file …`: one operation on files, in a process of its own that is a program like any other. It runs as
/// the user, in the user's limits, and what the file system does to it is done to nobody else.
enum FileTool {
    /// - Parameter arguments: from `--file` on.
    /// - Returns: the exit code.
    static func run(_ arguments: [String]) -> Int32 {
        guard let operation = FileOperation(arguments: arguments) else {
            return fail(FileError(.invalidArgument, "no operation on files: \(arguments.joined(separator: " "))"))
        }
        umask(0)
        berth_raise_open_files()
        do throws(FileError) {
            switch operation {
            case .read(let path, let offset, let length): try read(path, offset, length)
            case .write(let path, let mode, let makesParents): try write(path, mode, makesParents)
            case .list(let path): try list(path)
            case .remove(let path, let isRecursive): try remove(path, isRecursive)
            case .unpack(let path): try unpack(path)
            case .pack(let path): try pack(path)
            }
            return 0
        } catch {
            return fail(error)
        }
    }

    private static func fail(_ error: FileError) -> Int32 {
        report(.failure(code: error.code.rawValue, message: error.message))
        return 1
    }

    private static func report(_ report: FileReport) {
        // Who does not listen any more has no use for it.
        try? standard(STDERR_FILENO).write(report.encoded)
    }

    private static func standard(_ raw: Int32) -> StandardStream { StandardStream(raw: raw) }

    // MARK: Operations

    private static func read(_ path: String, _ offset: UInt64, _ length: UInt64) throws(FileError) {
        let (file, status) = try Places.spot(path).openFile(path: path)
        report(.info(FileInfo(name: path, status)))
        // All to the end is what was its end by now: a program that writes on does not make this endless.
        let size = UInt64(max(0, status.st_size))
        guard offset < size else { return }
        guard lseek(file.raw, off_t(offset), SEEK_SET) >= 0 else { throw FileError(errno, path) }
        var left = min(length == 0 ? .max : length, size - offset)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 128 << 10, alignment: 16)
        while left > 0 {
            let room = UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(Int(clamping: left)))
            let count = try file.read(into: room, path: path)
            if count == 0 { break }
            try standard(STDOUT_FILENO).write(UnsafeRawBufferPointer(rebasing: room[..<count]))
            left -= UInt64(count)
        }
    }

    private static func write(_ path: String, _ mode: UInt32, _ makesParents: Bool) throws(FileError) {
        let spot = try Places.spot(path, makesParents: makesParents)
        if let status = spot.status, !status.isRegular { throw FileError(wrongKind: status, path) }
        guard let name = spot.name else { throw FileError(EISDIR, path) }
        let file = try NewFile(in: spot.directory, path: path)
        let input = try PieceReader()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 128 << 10, alignment: 16)
        while true {
            let count = try input.read(into: buffer)
            if count == 0 { break }
            try file.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
        try file.commit(as: name, mode: mode)
    }

    private static func list(_ path: String) throws(FileError) {
        let directory = try Places.spot(path).openDirectory(path: path)
        guard let names = directory.names() else { throw FileError(errno, path) }
        var response = ListDirectoryResponse()
        var size = 0
        func send() throws(FileError) {
            let bytes = response.encoded()
            try standard(STDOUT_FILENO).write(FileOperation.header(bytes.count) + bytes)
            response.entries = []
            size = 0
        }
        for name in names {
            guard let status = directory.status(name) else { continue }
            let target = status.isLink ? directory.link(name) ?? [] : []
            response.entries.append(FileInfo(name: String(decoding: name, as: UTF8.self), status, linkTarget: target))
            size += 3 * name.count + target.count + 64
            if size > 24 << 10 { try send() }
        }
        if !response.entries.isEmpty { try send() }
    }

    private static func remove(_ path: String, _ isRecursive: Bool) throws(FileError) {
        let spot = try Places.spot(path, followsLast: false)
        guard let name = spot.name else { throw FileError(.failedPrecondition, "\(path): is the place itself") }
        guard let status = spot.status else { throw FileError(ENOENT, path) }
        guard status.isDirectory, isRecursive else {
            let result = name.withC { unlinkat(spot.directory.raw, $0, status.isDirectory ? AT_REMOVEDIR : 0) }
            guard result == 0 else { throw FileError(errno, path) }
            return
        }
        try TreeRemoval.remove(name, in: spot.directory, path: path)
    }

    private static func unpack(_ path: String) throws(FileError) {
        let spot = try Places.spot(path, makesParents: true)
        if spot.status == nil, let name = spot.name {
            let made = name.withC { mkdirat(spot.directory.raw, $0, 0o755) }
            guard made == 0 || errno == EEXIST else { throw FileError(errno, path) }
        }
        let directory = try Places.spot(path).openDirectory(path: path)
        let input = try PieceReader()
        var unpacker = Unpacker(into: directory)
        do throws(FileError) {
            try unpacker.unpack(TarReader { buffer throws(FileError) in try input.read(into: buffer) })
        } catch {
            unpacker.finish()
            throw error
        }
        report(.count(unpacker.files))
    }

    private static func pack(_ path: String) throws(FileError) {
        let spot = try Places.spot(path)
        guard let status = spot.status else { throw FileError(ENOENT, path) }
        var packer = Packer { bytes throws(FileError) in try standard(STDOUT_FILENO).write(bytes) }
        guard !status.isDirectory else {
            let directory = try spot.openDirectory(path: path)
            report(.info(FileInfo(name: path, status)))
            return try packer.pack(directory, path: path)
        }
        let (file, opened) = try spot.openFile(path: path)
        report(.info(FileInfo(name: path, opened)))
        // The name as asked, where a link stands there.
        try packer.pack(file, opened, name: PathWalk.components(path.utf8).last ?? [])
    }
}

/// 0, 1 or 2: open for as long as the process lives.
private struct StandardStream {
    let raw: Int32

    func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Glibc.write(raw, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if count < 0, errno != EINTR {
                throw FileError(errno, "standard output")
            }
        }
    }

    func write(_ bytes: [UInt8]) throws(FileError) {
        var error: FileError?
        bytes.withUnsafeBytes { raw in
            do throws(FileError) { try write(raw) } catch let failure { error = failure }
        }
        if let error { throw error }
    }
}

extension FileInfo {
    init(name: String, _ status: stat, linkTarget: [UInt8] = []) {
        let type: FileType =
            switch status.kind {
            case S_IFREG: .regular
            case S_IFDIR: .directory
            case S_IFLNK: .symbolicLink
            default: .other
            }
        let (seconds, overflow) = Int64(status.st_mtim.tv_sec).multipliedReportingOverflow(by: 1_000_000)
        self.init(
            name: name, type: type, size: UInt64(max(0, status.st_size)), mode: status.permissions,
            modifiedMicroseconds: overflow ? 0 : seconds &+ Int64(status.st_mtim.tv_nsec / 1000), uid: status.st_uid,
            gid: status.st_gid, linkTarget: linkTarget)
    }
}
