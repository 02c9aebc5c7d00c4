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

            One of both is in the container: LEASE:/PATH, or :/PATH with --lease, --lease-file or BERTH_LEASE. To copy from, \
            it is anything that programs may read; to copy to, a place that they can write to (/tmp, /workspace …). A local \
            name with a colon in it is written ./NAME.

            Into a directory that exists, the source is copied under its own name; a source DIR/. copies what is in the \
            directory. Otherwise the target is the copy's name. Links in a directory are copied as links, with modes and \
            times; sockets, pipes and devices are left out, and named. A directory that is there keeps its mode. A source that is \
            itself a link is followed. "-" is a tar archive on standard input or output; of a directory, its names are \
            relative to it. On input it may be compressed with gzip, zstd, xz or bzip2.
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
                    "neither \"\(source)\" nor \"\(target)\" is in a container: that is LEASE:/PATH, or :/PATH with --lease",
                    code: 2)
            case (.container, .container):
                throw Failure("both \"\(source)\" and \"\(target)\" are in a container: one has to be local", code: 2)
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
                "\"\(path)\" in \"\(argument)\" is not absolute; a local name with a colon is written ./NAME", code: 2)
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

/// The last part of a path: its own name. "." and ".." have none.
func ownName(_ path: String) -> String? {
    guard let last = path.split(separator: "/").last, last != ".", last != ".." else { return nil }
    return String(last)
}

/// `name` in the directory `path`.
func joined(_ path: String, _ name: String) -> String {
    path.hasSuffix("/") ? path + name : "\(path)/\(name)"
}
