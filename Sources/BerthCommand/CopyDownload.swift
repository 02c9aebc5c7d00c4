// SPDX-License-Identifier: Apache-2.0

import Berth
import Console
import FileTree

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A copy from a container to this machine. The archive is not trusted, since programs may influence it.
struct Download {
    let client: BerthClient
    let lease: Lease
    let source: String

    func copy(to target: String) async throws {
        let content = client.readArchive(source.argumentString, in: lease)
        try await withTaskExecutorPreference(BlockingExecutor("copy")) {
            if target == "-" {
                try await pass(content)
            } else {
                try await unpack(content, to: target)
            }
        }
    }

    /// Writes the archive to standard output, and reports at the end what was left out, which is read from the archive.
    private func pass(_ content: FileContent) async throws {
        let (reader, writer) = try LocalPieces.pipe()
        let listening = Task(executorPreference: BlockingExecutor("listening")) { Download.leftOut(of: reader) }
        var failure: (any Error)?
        do {
            for try await piece in content {
                try printBytes(piece)
                _ = writeAll(piece, to: writer)
            }
        } catch {
            failure = error
        }
        close(writer)
        let leftOut = await listening.value
        if let failure { throw failure }
        LeftOut.tell(leftOut)
    }

    private static func leftOut(of archive: File) -> [String] {
        let reader = TarReader { buffer throws(FileError) in try archive.read(into: buffer, path: "the archive") }
        // Damage is not reported here: whoever reads the output finds it.
        do throws(FileError) { while try reader.next() != nil {} } catch {}
        try? reader.drain()
        return reader.leftOut
    }

    private func unpack(_ content: FileContent, to target: String) async throws {
        let (reader, writer) = try LocalPieces.pipe()
        let arrival = Arrival(source: source, target: target)
        let unpacking = Task(executorPreference: BlockingExecutor("unpacking")) { try arrival.unpack(reader) }
        var failure: (any Error)?
        do {
            for try await piece in content {
                // If the write fails, the unpacking has failed, and its result says why.
                guard writeAll(piece, to: writer) else { break }
            }
        } catch {
            failure = error
        }
        close(writer)
        let result = await unpacking.result
        if let failure { throw failure }
        try result.get()
    }
}

/// Unpacks what arrives.
private struct Arrival: Sendable {
    let source: String
    let target: String

    func unpack(_ archive: File) throws(FileError) {
        let reader = TarReader { buffer throws(FileError) in try archive.read(into: buffer, path: "the archive") }
        guard let first = try reader.next() else { throw FileError(.notFound, "\(source): an empty archive came") }
        let steps = PathWalk.components(first.name)
        if first.kind == .directory, steps.isEmpty {
            try unpackDirectory(first, reader)
        } else if first.kind == .file, steps.count == 1, steps[0] != [0x2e, 0x2e] {
            try unpackFile(first, reader, name: steps[0])
        } else {
            throw FileError(.invalidArgument, "\(source): the archive begins with \(first.name.shown)")
        }
    }

    private func unpackDirectory(_ first: TarEntry, _ reader: TarReader) throws(FileError) {
        var path = target
        if isDirectory(target) {
            if !source.hasSuffix("/."), let name = ownName(source) { path = joined(target, name) }
        } else if target.hasSuffix("/") {
            path = String(target.dropLast())
        }
        let isNew = !isDirectory(path)
        if isNew {
            guard path.argumentBytes.withC({ mkdir($0, 0o700) }) == 0 else { throw FileError(errno, path) }
        }
        var unpacker = Unpacker(into: try Directory(path: path.argumentBytes), isNew: isNew)
        do throws(FileError) {
            try unpacker.unpack(first, reader)
            try unpacker.unpack(reader)
            LeftOut.tell(reader.leftOut)
        } catch {
            unpacker.finish()
            throw FileError(error.code, "\(path): \(error.message)")
        }
    }

    private func unpackFile(_ entry: TarEntry, _ reader: TarReader, name: [UInt8]) throws(FileError) {
        var (directory, name) = (target, name)
        if !target.hasSuffix("/"), !isDirectory(target) {
            let last = ownName(target) ?? target
            name = last.argumentBytes
            directory = target.contains("/") ? String(target.dropLast(last.count)) : "."
        }
        let path = joined(directory, name.shown)
        let parent = try Directory(path: directory.argumentBytes)
        try Unpacker.write(entry, reader, to: NewFile(in: parent, path: path), as: name)
        try reader.drain()
    }

    private func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return path.argumentBytes.withC { stat($0, &status) } == 0 && status.isDirectory
    }
}
