// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema
internal import CAgent
internal import FileTree
internal import Glibc

/// `berth-agent --file …`: one operation on files, in a process of its own, like any other program. It runs as the user,
/// within the user's limits, and if the file system blocks it, nothing else is blocked.
enum FileTool {
    /// The arguments of this process from `--file` on, as bytes, since Swift's list replaces what is not UTF-8.
    static var ownArguments: [SystemString] {
        (1..<max(1, Int(CommandLine.argc))).compactMap { index in
            CommandLine.unsafeArgv[index].map { argument in
                SystemString(Array(UnsafeRawBufferPointer(start: argument, count: strlen(argument))))
            }
        }
    }

    /// - Parameter arguments: from `--file` on.
    /// - Returns: the exit code.
    static func run(_ arguments: [SystemString]) -> Int32 {
        guard let operation = FileOperation(arguments: arguments) else {
            let shown = arguments.map(\.description).joined(separator: " ")
            return fail(FileError(.invalidArgument, "no operation on files: \(shown)"))
        }
        umask(0)
        berth_raise_open_files()
        do throws(FileError) {
            switch operation {
            case .read(let path, let offset, let length): try read(path, offset, length)
            case .write(let path, let mode, let makesParents): try write(path, mode, makesParents)
            case .list(let path): try list(path)
            case .stat(let path, let followsLink): try stat(path, followsLink)
            case .makeDirectory(let path, let mode, let makesParents): try makeDirectory(path, mode, makesParents)
            case .rename(let from, let to, let neverReplaces): try rename(from, to, neverReplaces)
            case .changeMode(let path, let mode): try changeMode(path, mode)
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
        report(.failure(code: error.code.rawValue, reason: error.reason?.rawValue ?? 0, message: error.message))
        return 1
    }

    static func report(_ report: FileReport) {
        // If nobody reads it any more, nobody needs it.
        try? standard(STDERR_FILENO).write(report.encoded)
    }

    static func standard(_ raw: Int32) -> StandardStream { StandardStream(raw: raw) }

    // MARK: Operations

    private static func read(_ path: SystemString, _ offset: UInt64, _ length: UInt64) throws(FileError) {
        let (file, status) = try Places.openFile(path)
        let shown = path.bytes.shown
        report(.info(FileInfo(path, status)))
        // The end is where it is now, so that a program that keeps writing does not make this endless. Files of the kernel
        // have no size, but an end.
        let size = file.isKernels ? UInt64(Int64.max) : UInt64(max(0, status.st_size))
        guard offset < size else { return }
        guard lseek(file.raw, off_t(offset), SEEK_SET) >= 0 else { throw FileError(errno, shown) }
        var left = min(length == 0 ? .max : length, size - offset)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 128 << 10, alignment: 16)
        while left > 0 {
            let room = UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(Int(clamping: left)))
            let count = try file.read(into: room, path: shown)
            if count == 0 { break }
            try standard(STDOUT_FILENO).write(UnsafeRawBufferPointer(rebasing: room[..<count]))
            left -= UInt64(count)
        }
    }

    private static func write(_ path: SystemString, _ mode: UInt32, _ makesParents: Bool) throws(FileError) {
        let spot = try Places.spot(path, makesParents: makesParents)
        let shown = path.bytes.shown
        if let status = spot.status, !status.isRegular { throw FileError(wrongKind: status, shown) }
        guard let name = spot.name else { throw FileError(EISDIR, shown) }
        // The directory alone would allow to replace it; open(2) would not allow to write it.
        if spot.status != nil, name.withC({ faccessat(spot.directory.raw, $0, W_OK, 0) }) != 0, errno != ENOENT {
            throw FileError(errno, shown)
        }
        let file = try NewFile(in: spot.directory, path: shown)
        let input = try PieceReader()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 128 << 10, alignment: 16)
        while true {
            let count = try input.read(into: buffer)
            if count == 0 { break }
            try file.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
        try file.commit(as: name, mode: mode)
    }
}

/// 0, 1 or 2: open for as long as the process lives.
struct StandardStream {
    let raw: Int32

    func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        try File.write(bytes, to: raw, path: "standard output")
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
    init(_ name: SystemString, _ status: stat, linkTarget: [UInt8] = []) {
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
