public import CurlHTTP
public import Pool

/// Where an engine listens, as DOCKER_HOST says it.
public struct DockerEndpoint: Sendable, Equatable, CustomStringConvertible {
    public static let standard = "unix:///var/run/docker.sock"

    public let http: HTTPEndpoint
    public let description: String

    /// - Parameters:
    ///   - text: `unix:///path`, or `tcp://host:port` of an engine on this same host.
    ///   - tls: for `tcp`: what to prove and what to believe; nil for plain HTTP.
    /// - Throws: `RuntimeError` of `invalidConfiguration` that says what an endpoint looks like.
    public init(_ text: String, tls: HTTPTLS? = nil) throws(RuntimeError) {
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
        } else {
            throw Self.malformed(text, "it has to begin with unix:// or tcp://")
        }
    }

    /// What the variables of Docker's own client say: DOCKER_HOST, and DOCKER_TLS_VERIFY with DOCKER_CERT_PATH.
    public static func fromEnvironment(_ environment: [String: String]) throws(RuntimeError) -> DockerEndpoint {
        let host = environment["DOCKER_HOST"].flatMap { $0.isEmpty ? nil : $0 } ?? standard
        let verifies = environment["DOCKER_TLS_VERIFY"].map { !$0.isEmpty } ?? false
        guard
            let directory = environment["DOCKER_CERT_PATH"]
                ?? (verifies ? environment["HOME"].map { "\($0)/.docker" } : nil),
            verifies
        else { return try DockerEndpoint(host) }
        return try DockerEndpoint(
            host,
            tls: HTTPTLS(
                authorities: "\(directory)/ca.pem", certificate: "\(directory)/cert.pem", key: "\(directory)/key.pem"))
    }

    private static func malformed(_ text: String, _ why: String) -> RuntimeError {
        RuntimeError(
            .invalidConfiguration,
            "\"\(text)\" is no Docker endpoint: \(why), as in \(standard) or tcp://127.0.0.1:2375")
    }
}
