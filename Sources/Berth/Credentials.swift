// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

extension BerthClient {
    /// How a client knows its server, and what it shows to it. The files are read at each connecting, so they can be exchanged
    /// while the client runs.
    public struct Credentials: Sendable, Equatable {
        /// A file, in PEM, of the authorities from which a server's certificate (`tls://`) must come; nil: those of the system.
        public var authorities: String?
        /// The file, in PEM, of the client's own certificate; nil: it presents none.
        public var certificate: String?
        /// The file, in PEM, of that certificate's private key.
        public var key: String?
        /// The token that `berth token create` printed.
        public var token: String?
        /// A file with the token, which is used if `token` is nil.
        public var tokenFile: String?

        public init() {}

        /// What the environment says: BERTH_TLS_CA, BERTH_TLS_CERT, BERTH_TLS_KEY, BERTH_TOKEN and BERTH_TOKEN_FILE.
        public static func fromEnvironment() -> Credentials {
            func variable(_ name: String) -> String? {
                guard let text = getenv(name), text.pointee != 0 else { return nil }
                return String(cString: text)
            }
            var credentials = Credentials()
            credentials.authorities = variable("BERTH_TLS_CA")
            credentials.certificate = variable("BERTH_TLS_CERT")
            credentials.key = variable("BERTH_TLS_KEY")
            credentials.token = variable("BERTH_TOKEN")
            credentials.tokenFile = variable("BERTH_TOKEN_FILE")
            return credentials
        }

        /// - Throws: INVALID_ARGUMENT if a file can't be read, or is not what it should be.
        func tls() throws(RPCError) -> ClientTLS {
            try ClientTLS(TLSFiles(certificate: certificate, key: key, authorities: authorities))
        }

        /// The value of the metadata `authorization`; nil without a token.
        /// - Throws: INVALID_ARGUMENT if the file can't be read, or what it has can't be a token.
        func authorization(for address: ServerAddress) throws(RPCError) -> String? {
            var text = token
            if text == nil, let tokenFile {
                let bytes = try SmallFile.read(tokenFile, "the token file")
                text = String(decoding: bytes, as: UTF8.self)
            }
            guard let text else { return nil }
            let token = text.drop { $0.isWhitespace }.prefix { !$0.isWhitespace }
            let isRight =
                !token.isEmpty && token.utf8.count <= 256 && token.utf8.allSatisfy { (0x21...0x7e).contains($0) }
            guard isRight, text.split(whereSeparator: \.isWhitespace).count == 1 else {
                throw RPCError(
                    .invalidArgument,
                    "\(tokenFile ?? "the token"): this is not a token, one word that berth token create prints")
            }
            if case .tcp(let host, _) = address, !ServerAddress.isLoopback(host) {
                throw RPCError(
                    .invalidArgument,
                    "a token is not sent to \(address) without TLS, since others could read it: connect to tls://\(address)"
                )
            }
            return "Bearer \(token)"
        }
    }
}

extension ServerAddress {
    /// Whether a host is this machine.
    package static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || host == "::1" || (host.hasPrefix("127.") && host.allSatisfy { $0 == "." || $0.isNumber })
    }
}
