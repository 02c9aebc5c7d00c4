// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Berth
import FileTree

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

struct Copy: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cp",
        abstract: "Copy files and directories to and from a leased container.",
        discussion: """
              lease=$(berth acquire)
              berth cp ./project $lease:/workspace
              berth cp $lease:/workspace/report.pdf .
              berth cp $lease:/workspace - | tar -t
              tar -C project -c . | berth cp - $lease:/workspace

            One of the two paths is in the container: LEASE:/PATH, or :/PATH with --lease, --lease-file or \
            BERTH_LEASE. You can copy from any path that programs may read, and to any that they can write to (/tmp, \
            /workspace …). Write ./NAME for a local name that has a colon in it.

            If the target is an existing directory, the source is copied into it under its own name; a source DIR/. \
            copies the content of the directory. Otherwise the target is the name of the copy. Links in a directory \
            are copied as links; modes and times are kept. Sockets, pipes and devices are left out and reported. An \
            existing directory keeps its mode. If the source itself is a link, it is followed. "-" is a tar archive on \
            standard input or output, with names relative to the directory. On input it may be compressed with gzip, \
            zstd, xz or bzip2.
            """)

    @OptionGroup var server: ServerOptions

    @OptionGroup var leases: LeaseOptions

    @Argument(help: ArgumentHelp("A local path, LEASE:/PATH, or \"-\".", valueName: "from"))
    var source: String

    @Argument(help: ArgumentHelp("A local path, LEASE:/PATH, or \"-\".", valueName: "to"))
    var target: String

    mutating func run() async throws {
        do {
            switch (try place(source), try place(target)) {
            case (.local(let path), .container(let lease, let remote)):
                try await withClient { client in
                    try await Upload(client: client, lease: lease, target: remote).copy(path)
                }
            case (.container(let lease, let remote), .local(let path)):
                try await withClient { client in
                    try await Download(client: client, lease: lease, source: remote).copy(to: path)
                }
            case (.local, .local):
                throw Failure(
                    "neither \"\(source)\" nor \"\(target)\" is in a container: write LEASE:/PATH, or :/PATH with --lease",
                    code: 2)
            case (.container, .container):
                throw Failure("both \"\(source)\" and \"\(target)\" are in a container: one must be local", code: 2)
            }
        } catch let error as BerthError {
            throw Failure(error)
        } catch let error as FileError {
            throw Failure(error.message)
        }
    }

    private enum Place {
        case local(String)
        case container(Lease, String)
    }

    private func place(_ argument: String) throws -> Place {
        guard let colon = argument.firstIndex(of: ":"), !argument[..<colon].contains("/") else {
            guard !argument.isEmpty else { throw Failure("a path is empty", code: 2) }
            return .local(argument)
        }
        let path = String(argument[argument.index(after: colon)...])
        guard path.hasPrefix("/") else {
            throw Failure(
                "\"\(path)\" in \"\(argument)\" is not absolute; write ./NAME for a local name with a colon", code: 2)
        }
        guard argument.startIndex == colon else { return .container(Lease(token: String(argument[..<colon])), path) }
        if let lease = try leases.optional() { return .container(lease, path) }
        throw Failure("\"\(argument)\" names no lease, nor do --lease, --lease-file and BERTH_LEASE", code: 2)
    }

    private func withClient(_ body: (BerthClient) async throws -> Void) async throws {
        let client = try await BerthClient.connect(to: try server.address())
        defer { client.close() }
        try await body(client)
    }
}

/// The last component of a path; nil if it is "." or "..".
func ownName(_ path: String) -> String? {
    guard let last = path.split(separator: "/").last, last != ".", last != ".." else { return nil }
    return String(last)
}

/// The path of `name` in the directory `path`.
func joined(_ path: String, _ name: String) -> String {
    path.hasSuffix("/") ? path + name : "\(path)/\(name)"
}
