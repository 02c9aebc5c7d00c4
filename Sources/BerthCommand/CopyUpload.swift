// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Console
import FileTree

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A copy from this machine to a container.
struct Upload {
    let client: BerthClient
    let lease: Lease
    let target: String

    func copy(_ source: String) async throws {
        if source == "-" {
            let input = try Decompression.archive(File(adopting: dup(STDIN_FILENO)), path: "standard input")
            try await client.writeArchive(into: target.argumentString, from: input, in: lease)
            return
        }
        var status = stat()
        guard source.argumentBytes.withC({ stat($0, &status) }) == 0 else { throw FileError(errno, source) }
        if status.isDirectory {
            try await copyDirectory(source)
        } else if status.isRegular {
            try await copyFile(source, status)
        } else {
            throw FileError(wrongKind: status, source)
        }
    }

    private func copyFile(_ source: String, _ status: stat) async throws {
        guard let name = ownName(source) else { throw Failure("\(source) has no name") }
        guard !target.hasSuffix("/") else { return try await write(source, status, to: joined(target, name)) }
        do {
            try await write(source, status, to: target)
        } catch let error as BerthError where error.reason == .isADirectory {
            try await write(source, status, to: joined(target, name))
        }
    }

    private func write(_ source: String, _ status: stat, to path: String) async throws {
        let raw = source.argumentBytes.withC { open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
        guard raw >= 0 else { throw FileError(errno, source) }
        try await client.writeFile(
            path.argumentString, from: LocalPieces.reading(File(adopting: raw), path: source), in: lease,
            mode: status.permissions & 0o777)
    }

    private func copyDirectory(_ source: String) async throws {
        var path = target
        if !source.hasSuffix("/."), source != ".", let name = ownName(source), try await isDirectory(target) {
            path = joined(target, name)
        }
        let directory = try Directory(path: source.argumentBytes)
        let archive = try LocalPieces.packing(directory, path: source) { LeftOut.tell($0) }
        try await client.writeArchive(into: path.argumentString, from: archive, in: lease)
    }

    private func isDirectory(_ path: String) async throws -> Bool {
        do throws(BerthError) {
            return try await client.stat(path.argumentString, in: lease, followsLink: true).type == .directory
        } catch {
            guard error.code == .notFound, error.reason == .noSuchFile else { throw error }
            return false
        }
    }
}
