// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import NIOCore
internal import NIOSSL

/// The error of a TLS connection, in words for people.
struct TLSFailure: Error, CustomStringConvertible {
    let description: String
}

enum TLSWords {
    /// What BoringSSL's name of an error means. The first that occurs in the error counts.
    private static let meanings: [(name: String, words: String)] = [
        ("ALERT_CERTIFICATE_REQUIRED", "the peer wants a certificate, and got none"),
        ("ALERT_CERTIFICATE_EXPIRED", "the peer refused the certificate, because it has expired"),
        ("ALERT_CERTIFICATE_REVOKED", "the peer refused the certificate, because it is revoked"),
        ("ALERT_UNKNOWN_CA", "the peer refused the certificate, because it does not know who signed it"),
        ("ALERT_BAD_CERTIFICATE", "the peer refused the certificate"),
        ("ALERT_CERTIFICATE_UNKNOWN", "the peer refused the certificate"),
        ("ALERT_UNSUPPORTED_CERTIFICATE", "the peer refused the kind of certificate"),
        ("ALERT_PROTOCOL_VERSION", "the peer speaks no version of TLS from 1.2 on"),
        ("ALERT_HANDSHAKE_FAILURE", "the peer found no suite that both speak, or wants a certificate"),
        ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "the client presented no certificate"),
        ("UNSUPPORTED_PROTOCOL", "the peer speaks no version of TLS from 1.2 on"),
        ("NO_SHARED_CIPHER", "there is no suite that both speak"),
        ("NO_COMMON_SIGNATURE_ALGORITHMS", "there is no signature algorithm that both speak"),
        ("WRONG_VERSION_NUMBER", "the peer does not speak TLS"),
        ("HTTP_REQUEST", "the peer speaks HTTP without TLS"),
        ("HTTPS_PROXY_REQUEST", "the peer speaks HTTP without TLS"),
        ("EOF during handshake", "the peer closed the connection during the handshake"),
    ]

    /// - Parameter peer: the certificate that the peer presented, if it did.
    static func of(_ error: any Error, peer: NIOSSLCertificate? = nil, host: String? = nil) -> String {
        if let failure = error as? TLSFailure { return failure.description }
        if let extra = error as? NIOSSLExtraError, extra == .failedToValidateHostname {
            return "the server's certificate is not for \(host ?? "this address")"
        }
        let text = "\(error)"
        if text.contains("CERTIFICATE_VERIFY_FAILED") { return refusal(peer) }
        if let found = meanings.first(where: { text.contains($0.name) }) { return found.words }
        // "error:1000007d:SSL routines:OPENSSL_internal:REASON at …"
        if let reason = text.split(separator: "OPENSSL_internal:").dropFirst().first?.split(separator: " ").first {
            return "TLS failed: \(reason)"
        }
        return systemWords(error)
    }

    /// Why a certificate did not pass.
    private static func refusal(_ certificate: NIOSSLCertificate?) -> String {
        guard let certificate else { return "the peer's certificate is not valid" }
        let name = CertificateName.of(certificate).map { " of \"\($0)\"" } ?? ""
        let now = time(nil)
        if certificate.notValidAfter < now {
            return "the certificate\(name) has expired (\(date(certificate.notValidAfter)))"
        }
        if certificate.notValidBefore > now {
            return "the certificate\(name) is not valid yet (from \(date(certificate.notValidBefore)) on)"
        }
        return "the certificate\(name) was not signed by an authority that is trusted here"
    }

    /// "2026-11-30 21:04:59 UTC".
    static func date(_ seconds: Int) -> String {
        var parts = tm()
        var time = time_t(seconds)
        gmtime_r(&time, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) "
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) UTC"
    }
}
