// SPDX-License-Identifier: Apache-2.0

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// Where a Berth server listens.
public enum ServerAddress: Sendable, Equatable, CustomStringConvertible {
    /// Where `berth serve` listens by default.
    public static let standard = ServerAddress.tcp(host: "127.0.0.1", port: 7411)

    case tcp(host: String, port: Int)
    /// TCP with TLS.
    case tls(host: String, port: Int)
    case unix(path: String)

    /// `HOST:PORT`, `[IPv6]:PORT`, `:PORT` (loopback), each with `tls://` in front of it for TLS, or `unix:PATH`.
    /// - Throws: `BerthError` with the code `invalidArgument`; its message says what an address is.
    public init(_ text: String) throws(BerthError) {
        if text.hasPrefix("unix:") {
            var path = text.dropFirst("unix:".count)
            if path.hasPrefix("//") { path = path.dropFirst(2) }
            guard !path.isEmpty else { throw ServerAddress.malformed(text) }
            self = .unix(path: String(path))
            return
        }
        let isTLS = text.hasPrefix("tls://")
        let rest = isTLS ? text.dropFirst("tls://".count) : text[...]
        guard !rest.contains("://") else { throw ServerAddress.malformed(text, "a URL, not an address") }
        guard let colon = rest.lastIndex(of: ":") else { throw ServerAddress.malformed(text) }
        var host = rest[..<colon]
        guard let port = Int(rest[rest.index(after: colon)...]), (0...65535).contains(port) else {
            throw ServerAddress.malformed(text)
        }
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw ServerAddress.malformed(text)
        }
        let name = host.isEmpty ? "127.0.0.1" : String(host)
        self = isTLS ? .tls(host: name, port: port) : .tcp(host: name, port: port)
    }

    /// The address in the environment variable BERTH_SERVER, or `standard` without one.
    /// - Throws: `invalidArgument` if the variable is not an address.
    public static func fromEnvironment() throws(BerthError) -> ServerAddress {
        guard let text = getenv("BERTH_SERVER") else { return .standard }
        return try ServerAddress(String(cString: text))
    }

    private static func malformed(_ text: String, _ what: String = "not an address") -> BerthError {
        BerthError(
            .invalidArgument,
            "\"\(text)\" is \(what): use HOST:PORT, such as 127.0.0.1:7411 or [::1]:7411, or unix:/path/to/socket")
    }

    public var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .tls(let host, let port): "tls://\(ServerAddress.tcp(host: host, port: port))"
        case .unix(let path): "unix:\(path)"
        }
    }
}
