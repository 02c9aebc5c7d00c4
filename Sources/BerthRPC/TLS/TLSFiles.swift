// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOSSL

/// The files, in PEM, that one end of TLS works with.
public struct TLSFiles: Sendable, Equatable {
    /// The end's own certificate, followed by those between it and an authority; nil: a client that presents none.
    public var certificate: String?
    /// The certificate's private key, not encrypted.
    public var key: String?
    /// The authorities that the peer's certificate must come from. Nil for a client: those of the system; for a server: clients
    /// need no certificate.
    public var authorities: String?

    public init(certificate: String? = nil, key: String? = nil, authorities: String? = nil) {
        self.certificate = certificate
        self.key = key
        self.authorities = authorities
    }

    /// The suites of TLS 1.2: forward secrecy and authenticated encryption. Those of TLS 1.3 are all like that.
    private static let suites = [
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
    ].joined(separator: ":")

    /// How long an end waits for the peer's word that it has read everything, when it closes.
    private static let closeTime = TimeAmount.milliseconds(300)

    /// - Throws: INVALID_ARGUMENT, whose message names the file and what is wrong with it.
    func serverContext() throws(RPCError) -> (NIOSSLContext, expiry: Int) {
        guard let identity = try identity() else {
            throw RPCError(.invalidArgument, "a TLS server needs a certificate and its key")
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: identity.chain, privateKey: identity.key)
        if let authorities = try trusted() {
            configuration.trustRoots = authorities
            // Clients have no host name that could be compared.
            configuration.certificateVerification = .noHostnameVerification
        }
        return (try context(configuration), identity.expiry)
    }

    /// - Throws: INVALID_ARGUMENT, whose message names the file and what is wrong with it.
    func clientContext() throws(RPCError) -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        if let authorities = try trusted() { configuration.trustRoots = authorities }
        if let identity = try identity() {
            configuration.certificateChain = identity.chain
            configuration.privateKey = identity.key
        }
        return try context(configuration)
    }

    private func context(_ base: TLSConfiguration) throws(RPCError) -> NIOSSLContext {
        var configuration = base
        configuration.minimumTLSVersion = .tlsv12
        configuration.cipherSuites = TLSFiles.suites
        configuration.shutdownTimeout = TLSFiles.closeTime
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            // Both have been read, so this key is refused because it is not the certificate's.
            let isMismatch = if case NIOSSLError.failedToLoadPrivateKey = error { true } else { false }
            let words = isMismatch ? "they do not belong together" : TLSWords.of(error)
            throw RPCError(
                .invalidArgument, "the TLS certificate \(certificate ?? "") and its key \(key ?? ""): \(words)")
        }
    }

    private struct Identity {
        var chain: [NIOSSLCertificateSource]
        var key: NIOSSLPrivateKeySource
        /// When the certificate ends, in seconds since 1970.
        var expiry: Int
    }

    private func identity() throws(RPCError) -> Identity? {
        guard certificate != nil || key != nil else { return nil }
        guard let certificate, let key else {
            throw RPCError(
                .invalidArgument,
                "a TLS certificate and its key come together, and only \(certificate ?? key ?? "") is given")
        }
        let chain = try certificates(certificate, "the TLS certificate")
        let bytes = try SmallFile.read(key, "the TLS key")
        do {
            return Identity(
                chain: chain.map { .certificate($0) },
                key: .privateKey(try NIOSSLPrivateKey(bytes: bytes, format: .pem)),
                expiry: chain.first?.notValidAfter ?? .max)
        } catch {
            throw RPCError(.invalidArgument, "the TLS key \(key): there is no private key in it, or it is encrypted")
        }
    }

    private func trusted() throws(RPCError) -> NIOSSLTrustRoots? {
        guard let authorities else { return nil }
        return .certificates(try certificates(authorities, "the TLS authorities"))
    }

    func certificates(_ path: String, _ what: String) throws(RPCError) -> [NIOSSLCertificate] {
        let bytes = try SmallFile.read(path, what)
        let all = try? NIOSSLCertificate.fromPEMBytes(bytes)
        guard let all, !all.isEmpty else {
            throw RPCError(.invalidArgument, "\(what) \(path): there is no certificate in PEM in it")
        }
        return all
    }

    /// The stamps of the files as they are now.
    var stamps: [SmallFile.Stamp] { [certificate, key, authorities].map(SmallFile.stamp) }
}
