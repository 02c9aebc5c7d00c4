// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Berth
import Console

struct Forward: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Forward local ports or unix sockets to what listens in a lease's container.",
        discussion: """
              export BERTH_LEASE=$(berth acquire)
              berth run --detach --timeout 1h -- python3 -m http.server 8000
              berth forward 8080:8000 --wait 10s        # another terminal: curl http://127.0.0.1:8080/

              berth forward 0:8000                      # any free port, which is printed
              berth forward 8080:/tmp/web.sock          # to a unix socket in the container
              berth forward ./web.sock:8000 5678 --lease @lease

            The container needs no network for this. Each local connection is one in the container, made as the pool's user. \
            Listens on 127.0.0.1, where every user of this machine can connect, or on a unix socket, which is its user's \
            alone. Each address is printed once connections are taken there. A connection that fails is told on standard \
            error, and the others go on. The lease is kept for as long as this runs. Ends with Ctrl-C, or with the lease.
            """)

    @OptionGroup var server: ServerOptions
    @OptionGroup var leases: LeaseOptions

    @Option(
        help: ArgumentHelp(
            "How long each connection waits for somebody to listen in the container (default: not at all).",
            valueName: "duration"), transform: DurationArgument.init(parsing:))
    var wait: DurationArgument?

    @Option(
        help: ArgumentHelp("Maximum number of connections at a time; others wait.", valueName: "count"))
    var connections = 200

    @Argument(
        help: ArgumentHelp(
            "LOCAL:REMOTE, each a port or the path of a unix socket; a port alone is both. A lease may come before the first.",
            valueName: "mapping"))
    var arguments: [String]

    mutating func validate() throws {
        guard (1...10_000).contains(connections) else {
            throw ValidationError("--connections \(connections) is not 1 to 10000")
        }
        _ = try parsed()
    }

    private func parsed() throws -> (lease: String?, mappings: [ForwardMapping]) {
        var words = arguments[...]
        var lease: String?
        if let first = words.first, ForwardMapping.mayBeLease(first) {
            lease = first
            words = words.dropFirst()
        }
        if lease != nil, leases.isGiven { throw ValidationError("two leases are given: one of them is enough") }
        guard !words.isEmpty else { throw ValidationError("no mapping is given, as 8080:80") }
        return (lease, try words.map { try ForwardMapping($0) })
    }

    mutating func run() async throws {
        let (named, mappings) = try parsed()
        if let named { leases.lease = named }
        let lease = try leases.required()
        let limit = connections
        let wait = wait?.duration ?? .zero
        try await server.call { client in
            let forwarder = Forwarder(client: client, lease: lease, wait: wait, most: limit)
            try await forwarder.run(mappings)
        }
    }
}

/// A local address to listen on, and the target in the container.
struct ForwardMapping: Sendable, Equatable {
    enum End: Sendable, Equatable {
        case port(Int)
        case path(String)

        /// Nil if it is neither a port nor a path.
        init?(_ text: some StringProtocol, isLocal: Bool) {
            if text.allSatisfy(\.isNumber), let port = Int(text), (isLocal ? 0...65535 : 1...65535).contains(port) {
                self = .port(port)
            } else if text.hasPrefix("/") || (isLocal && text.contains("/")) {
                self = .path(String(text))
            } else {
                return nil
            }
        }
    }

    var local: End
    var remote: End

    /// - Throws: `ValidationError` with the allowed forms.
    init(_ text: String) throws {
        if let both = End(text, isLocal: false), case .port = both {
            (local, remote) = (both, both)
            return
        }
        // Split at the first colon: a path in the container may contain others.
        let leading = text.prefix { $0.isNumber }
        let colon =
            !leading.isEmpty && text.dropFirst(leading.count).first == ":"
            ? text.firstIndex(of: ":") : text.lastIndex(of: ":")
        guard let colon, let local = End(text[..<colon], isLocal: true),
            let remote = End(text[text.index(after: colon)...], isLocal: false)
        else {
            throw ValidationError(
                "\"\(text)\" is not a mapping: LOCAL:REMOTE, as 8080:80, 0:80, 8080:/tmp/web.sock or ./web.sock:80; a local "
                    + "path has a slash in it")
        }
        (self.local, self.remote) = (local, remote)
    }

    /// Whether the text can't be the start of a mapping.
    static func mayBeLease(_ text: String) -> Bool {
        text.hasPrefix("@") || !(text.contains(":") || text.contains("/") || text.allSatisfy(\.isNumber))
    }

    var target: String {
        switch remote {
        case .port(let port): "port \(port)"
        case .path(let path): path
        }
    }
}
