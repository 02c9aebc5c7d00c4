import BerthClient
import FileTree

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A copy from here to a container.
struct Upload {
    let client: BerthClient
    let lease: Lease
    let target: String

    func copy(_ source: String) async throws {
        if source == "-" {
            let input = LocalPieces.reading(File(adopting: dup(STDIN_FILENO)), path: "standard input")
            try await client.writeArchive(into: target, from: input, in: lease)
            return
        }
        var status = stat()
        guard stat(source, &status) == 0 else { throw FileError(errno, source) }
        if status.isDirectory {
            try await copyDirectory(source)
        } else if status.isRegular {
            try await copyFile(source, status)
        } else {
            throw FileError(wrongKind: status, source)
        }
    }

    private func copyFile(_ source: String, _ status: stat) async throws {
        guard let name = ownName(source) else { throw Failure("\(source) has no name of its own") }
        guard !target.hasSuffix("/") else { return try await write(source, status, to: joined(target, name)) }
        do {
            try await write(source, status, to: target)
        } catch let error as BerthError where error.code == .failedPrecondition {
            // A directory, most likely: then the file goes into it.
            do {
                try await write(source, status, to: joined(target, name))
            } catch let second as BerthError where second.code == .notFound {
                throw error
            }
        }
    }

    private func write(_ source: String, _ status: stat, to path: String) async throws {
        let raw = open(source, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard raw >= 0 else { throw FileError(errno, source) }
        try await client.writeFile(
            path, from: LocalPieces.reading(File(adopting: raw), path: source), in: lease,
            mode: status.permissions & 0o777)
    }

    private func copyDirectory(_ source: String) async throws {
        var path = target
        if !source.hasSuffix("/."), source != ".", let name = ownName(source), try await isDirectory(target) {
            path = joined(target, name)
        }
        let directory = try Directory(path: Array(source.utf8))
        let archive = try LocalPieces.packing(directory, path: source)
        try await client.writeArchive(into: path, from: archive, in: lease)
    }

    private func isDirectory(_ path: String) async throws -> Bool {
        do throws(BerthError) {
            _ = try await client.list(path, in: lease)
            return true
        } catch {
            guard error.code == .notFound else { throw error }
            return false
        }
    }
}
