// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOSSL

/// What people want to know of a server's TLS files before its clients tell them.
package struct TLSReport: Sendable {
    package struct Authority: Sendable {
        package var name: String
        /// Seconds since 1970.
        package var notAfter: Int
    }

    /// The certificate's own name.
    package var name: String
    /// The DNS names and addresses for which clients accept the certificate.
    package var hosts: [String]
    /// Seconds since 1970.
    package var notBefore: Int
    package var notAfter: Int
    /// From which certificates of clients must come.
    package var authorities: [Authority]

    /// Whether clients that connect to this name or address accept the certificate.
    package func isFor(_ host: String) -> Bool {
        let host = TLSReport.canonical(host)
        return hosts.contains { name in
            guard name.hasPrefix("*.") else { return TLSReport.canonical(name) == host }
            // It stands for one label.
            guard let dot = host.firstIndex(of: "."), dot > host.startIndex else { return false }
            return host[dot...] == name.dropFirst().lowercased()
        }
    }

    /// The same text for all ways to write an address.
    private static func canonical(_ host: String) -> String {
        (try? SocketAddress(ipAddress: host, port: 0))?.ipAddress ?? host.lowercased()
    }
}

extension TLSFiles {
    /// Reads a server's files.
    /// - Throws: INVALID_ARGUMENT, whose message names the file and what is wrong with it.
    package func report() throws(RPCError) -> TLSReport {
        // That they fit together.
        _ = try serverContext()
        guard let path = certificate, let own = try certificates(path, "the TLS certificate").first else {
            throw RPCError(.invalidArgument, "a TLS server needs a certificate and its key")
        }
        let trusted =
            try authorities.map { path throws(RPCError) in try certificates(path, "the TLS authorities") } ?? []
        return TLSReport(
            name: CertificateName.of(own) ?? "without a name", hosts: TLSFiles.hosts(own),
            notBefore: Int(own.notValidBefore), notAfter: Int(own.notValidAfter),
            authorities: trusted.map {
                TLSReport.Authority(name: CertificateName.of($0) ?? "without a name", notAfter: Int($0.notValidAfter))
            })
    }

    private static func hosts(_ certificate: NIOSSLCertificate) -> [String] {
        certificate._subjectAlternativeNames().compactMap { name in
            let bytes = Array(name.contents)
            switch name.nameType {
            case .dnsName: return String(validating: bytes, as: UTF8.self)
            case .ipAddress:
                return (try? SocketAddress(packedIPAddress: ByteBuffer(bytes: bytes), port: 0))?.ipAddress
            default: return nil
            }
        }
    }
}
