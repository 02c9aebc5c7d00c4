// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema
internal import FileTree
internal import Glibc

/// Operations on directories and on what stands in them.
extension FileTool {
    static func list(_ path: SystemString) throws(FileError) {
        let directory = try Places.openDirectory(path)
        guard let names = directory.names() else { throw FileError(errno, path.bytes.shown) }
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
            response.entries.append(FileInfo(SystemString(name), status, linkTarget: target))
            size += 4 * name.count + target.count + 64
            if size > 24 << 10 { try send() }
        }
        if !response.entries.isEmpty { try send() }
    }

    static func stat(_ path: SystemString, _ followsLink: Bool) throws(FileError) {
        let status = try Places.status(path, followsLast: followsLink)
        let target = status.isLink ? Directory.link(path.bytes) ?? [] : []
        report(.info(FileInfo(path, status, linkTarget: target)))
    }

    static func makeDirectory(_ path: SystemString, _ mode: UInt32, _ makesParents: Bool) throws(FileError) {
        let spot = try Places.spot(path, makesParents: makesParents)
        let shown = path.bytes.shown
        if let status = spot.status {
            guard makesParents, status.isDirectory else { throw FileError(EEXIST, shown) }
            return
        }
        guard let name = spot.name else { preconditionFailure("a place that is not there") }
        if name.withC({ mkdirat(spot.directory.raw, $0, mode) }) == 0 { return }
        // Somebody else was faster, perhaps.
        guard errno == EEXIST, makesParents, spot.directory.status(name)?.isDirectory == true else {
            throw FileError(errno, shown)
        }
    }

    static func rename(_ from: SystemString, _ to: SystemString, _ neverReplaces: Bool) throws(FileError) {
        let old = try Places.spot(from, followsLast: false)
        let new = try Places.spot(to, followsLast: false)
        guard old.status != nil else { throw FileError(ENOENT, from.bytes.shown) }
        guard let oldName = old.name else { throw isPlace(from) }
        guard let newName = new.name else {
            throw neverReplaces ? FileError(EEXIST, to.bytes.shown) : isPlace(to)
        }
        guard old.directory.rename(oldName, to: newName, in: new.directory, neverReplaces: neverReplaces) else {
            throw FileError(errno, errno == EXDEV ? from.bytes.shown : to.bytes.shown)
        }
    }

    static func changeMode(_ path: SystemString, _ mode: UInt32) throws(FileError) {
        let spot = try Places.spot(path)
        let shown = path.bytes.shown
        guard spot.status != nil else { throw FileError(ENOENT, shown) }
        guard spot.directory.changeMode(spot.name, mode) else { throw FileError(errno, shown) }
    }

    static func remove(_ path: SystemString, _ isRecursive: Bool) throws(FileError) {
        let spot = try Places.spot(path, followsLast: false)
        let shown = path.bytes.shown
        guard let name = spot.name else { throw isPlace(path) }
        guard let status = spot.status else { throw FileError(ENOENT, shown) }
        guard status.isDirectory, isRecursive else {
            let result = name.withC { unlinkat(spot.directory.raw, $0, status.isDirectory ? AT_REMOVEDIR : 0) }
            guard result == 0 else { throw FileError(errno, shown) }
            return
        }
        try TreeRemoval.remove(name, in: spot.directory, path: shown)
    }

    static func unpack(_ path: SystemString) throws(FileError) {
        let spot = try Places.spot(path, makesParents: true)
        let shown = path.bytes.shown
        var isNew = false
        if spot.status == nil, let name = spot.name {
            isNew = name.withC { mkdirat(spot.directory.raw, $0, 0o755) } == 0
            guard isNew || errno == EEXIST else { throw FileError(errno, shown) }
        }
        let directory = try Places.spot(path).openDirectory(path: shown)
        let input = try PieceReader()
        var unpacker = Unpacker(into: directory, isNew: isNew)
        do throws(FileError) {
            try unpacker.unpack(TarReader { buffer throws(FileError) in try input.read(into: buffer) })
        } catch {
            unpacker.finish()
            throw error
        }
        report(.count(unpacker.files))
    }

    static func pack(_ path: SystemString) throws(FileError) {
        let status = try Places.status(path)
        var packer = Packer { bytes throws(FileError) in try standard(STDOUT_FILENO).write(bytes) }
        guard !status.isDirectory else {
            let directory = try Places.openDirectory(path)
            report(.info(FileInfo(path, status)))
            return try packer.pack(directory, path: path.bytes.shown)
        }
        let (file, opened) = try Places.openFile(path)
        report(.info(FileInfo(path, opened)))
        // The name as asked, where a link stands there.
        try packer.pack(file, opened, name: PathWalk.components(path.bytes).last ?? [])
    }

    private static func isPlace(_ path: SystemString) -> FileError {
        FileError(.failedPrecondition, "\(path.bytes.shown): is the place itself")
    }
}
