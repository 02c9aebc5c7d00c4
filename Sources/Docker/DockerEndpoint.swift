// SPDX-License-Identifier: Apache-2.0

package import CurlHTTP
package import DockerConfig
package import Pool

/// Where an engine listens, in the form of DOCKER_HOST.
package struct DockerEndpoint: Sendable, Equatable, CustomStringConvertible {
    package static let standard = "unix:///var/run/docker.sock"

    package let http: HTTPEndpoint
    package let description: String

    /// - Parameters:
    ///   - text: `unix:///path`, `tcp://host:port`, or `ssh://[user@]host[:port]`.
    ///   - tls: certificates for `tcp`; nil for plain HTTP.
    /// - Throws: `RuntimeError` of `invalidConfiguration`, with the forms of an endpoint.
    package init(_ text: String, tls: HTTPTLS? = nil) throws(RuntimeError) {
        description = text
        if text.hasPrefix("unix://") {
            let path = String(text.dropFirst("unix://".count))
            guard path.hasPrefix("/"), path.count > 1 else {
                throw Self.malformed(text, "the path has to begin with /")
            }
            guard path.utf8.count < 108 else { throw Self.malformed(text, "a socket's path has at most 107 bytes") }
            http = .unixSocket(path)
        } else if text.hasPrefix("tcp://") {
            let authority = text.dropFirst("tcp://".count)
            let address = authority.hasSuffix("/") ? authority.dropLast() : authority
            guard let colon = address.lastIndex(of: ":"), colon != address.startIndex,
                let port = Int(address[address.index(after: colon)...]), (1...65535).contains(port)
            else { throw Self.malformed(text, "host or port is missing") }
            var host = address[..<colon]
            if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
            guard !host.isEmpty, !host.contains(where: { "/?#@ ".contains($0) }) else {
                throw Self.malformed(text, "the host is malformed")
            }
            http = .tcp(host: String(host), port: port, tls: tls)
        } else if text.hasPrefix("ssh://") {
            http = .command(try Self.ssh(text))
        } else {
            throw Self.malformed(text, "it has to begin with unix://, tcp:// or ssh://")
        }
    }

    /// The command that Docker's own client runs for an engine behind ssh, without prompts, since nobody could answer them.
    private static func ssh(_ text: String) throws(RuntimeError) -> [String] {
        let rest = text.dropFirst("ssh://".count)
        let authority = rest.prefix { $0 != "/" }
        guard rest.dropFirst(authority.count).allSatisfy({ $0 == "/" }) else {
            throw malformed(text, "a path after the host is not known")
        }
        var host = authority[...]
        var options: [String] = []
        if let at = host.lastIndex(of: "@") {
            let user = host[..<at]
            guard !user.isEmpty, !user.hasPrefix("-"), !user.contains(":") else {
                throw malformed(text, "it has a user with a password, or none: ssh takes keys")
            }
            options += ["-l", String(user)]
            host = host[host.index(after: at)...]
        }
        if let colon = host.lastIndex(of: ":"), !host.hasSuffix("]") {
            guard let port = Int(host[host.index(after: colon)...]), (1...65535).contains(port) else {
                throw malformed(text, "the port is malformed")
            }
            options += ["-p", "\(port)"]
            host = host[..<colon]
        }
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty, !host.hasPrefix("-"), !host.contains(where: { "/?#@ ".contains($0) }) else {
            throw malformed(text, "the host is malformed")
        }
        // ssh itself never asks whether the other machine is still there.
        return [
            "ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=10", "-o",
            "ServerAliveCountMax=3", "-T",
        ] + options + ["--", String(host), "docker", "system", "dial-stdio"]
    }

    /// Whether the engine runs on another machine, as far as the address tells.
    package var isElsewhere: Bool {
        switch http {
        case .unixSocket: return false
        case .command: return true
        case .tcp(let host, _, _):
            let isLoopback = host == "localhost" || host == "::1" || host.hasPrefix("127.")
            return !isLoopback
        }
    }

    /// The endpoint from the variables of Docker's own client: DOCKER_HOST, and DOCKER_TLS_VERIFY with DOCKER_CERT_PATH.
    package static func fromEnvironment(_ environment: [String: String]) throws(RuntimeError) -> DockerEndpoint {
        let host = environment["DOCKER_HOST"].flatMap { $0.isEmpty ? nil : $0 } ?? standard
        return try DockerEndpoint(host, tls: tls(environment))
    }

    private static func tls(_ environment: [String: String]) -> HTTPTLS? {
        let verifies = environment["DOCKER_TLS_VERIFY"].map { !$0.isEmpty } ?? false
        guard
            let directory = environment["DOCKER_CERT_PATH"]
                ?? (verifies ? environment["HOME"].map { "\($0)/.docker" } : nil),
            verifies
        else { return nil }
        return HTTPTLS(
            authorities: "\(directory)/ca.pem", certificate: "\(directory)/cert.pem", key: "\(directory)/key.pem")
    }

    /// The engine that Docker's own client would choose, in the same order: the given one, DOCKER_HOST, the context in
    /// DOCKER_CONTEXT, the one chosen by `docker context use`, the standard socket.
    /// - Returns: nil if none of them is set, so that the standard socket, or another existing one, is used.
    package static func configured(
        _ given: String?, environment: [String: String], config: DockerConfigFile
    ) throws(RuntimeError) -> DockerEndpoint? {
        if let given { return try DockerEndpoint(given, tls: tls(environment)) }
        if let host = environment["DOCKER_HOST"], !host.isEmpty { return try fromEnvironment(environment) }
        guard let context = try config.context(environment: environment) else { return nil }
        return try DockerEndpoint(
            context.host,
            tls: context.hasTLS
                ? HTTPTLS(
                    authorities: context.file("ca.pem"), certificate: context.file("cert.pem"),
                    key: context.file("key.pem"), verifies: !context.skipsVerification) : nil)
    }

    /// Where an engine may listen that is not configured: root's, then those of the user's session.
    package static func usual(environment: [String: String]) -> [DockerEndpoint] {
        var paths = ["/var/run/docker.sock"]
        if let session = environment["XDG_RUNTIME_DIR"], session.hasPrefix("/") {
            paths += ["\(session)/docker.sock", "\(session)/podman/podman.sock"]
        }
        return paths.compactMap { try? DockerEndpoint("unix://\($0)") }
    }

    /// The Podman that is named: by the given address, or by CONTAINER_HOST as for its own client.
    package static func configuredPodman(
        _ given: String?, environment: [String: String]
    ) throws(RuntimeError) -> DockerEndpoint? {
        guard let address = given ?? environment["CONTAINER_HOST"], !address.isEmpty else { return nil }
        return try DockerEndpoint(address, tls: tls(environment))
    }

    /// Where Podman listens: for the user's session, and for root.
    package static func usualPodman(environment: [String: String]) -> [DockerEndpoint] {
        let session = environment["XDG_RUNTIME_DIR"].flatMap { $0.hasPrefix("/") ? $0 : nil }
        return [session, "/run"].compactMap(\.self).compactMap {
            try? DockerEndpoint("unix://\($0)/podman/podman.sock")
        }
    }

    private static func malformed(_ text: String, _ why: String) -> RuntimeError {
        RuntimeError(
            .invalidConfiguration,
            "\"\(text)\" is not a Docker endpoint: \(why), as in \(standard) or tcp://127.0.0.1:2375")
    }
}
