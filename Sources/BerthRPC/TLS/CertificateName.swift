// SPDX-License-Identifier: Apache-2.0

internal import NIOSSL

/// Whom a certificate names: the common name of its subject, or, without one, the first DNS name, address of mail or URI of
/// its alternative names.
enum CertificateName {
    /// Maximum bytes of a name; a longer one counts as none.
    private static let maxLength = 256

    /// The certificate was verified, or the name is only for a message.
    static func of(_ certificate: NIOSSLCertificate) -> String? {
        (try? certificate.toDERBytes()).flatMap(commonName) ?? alternativeName(certificate)
    }

    private static func alternativeName(_ certificate: NIOSSLCertificate) -> String? {
        for name in certificate._subjectAlternativeNames() where [.dnsName, .email, .uri].contains(name.nameType) {
            if let text = text(Array(name.contents)) { return text }
        }
        return nil
    }

    /// The last common name of a certificate's subject, the most specific one.
    static func commonName(_ der: [UInt8]) -> String? {
        var outer = DERReader(der[...])
        guard var certificate = outer.next(DERReader.sequence), var fields = certificate.next(DERReader.sequence) else {
            return nil
        }
        // The version, serial number, algorithm, issuer and validity come before the subject.
        if fields.tag == 0xa0 { _ = fields.next() }
        for _ in 0..<4 { guard fields.next() != nil else { return nil } }
        guard var subject = fields.next(DERReader.sequence) else { return nil }
        var found: String?
        while var parts = subject.next(DERReader.set) {
            while var attribute = parts.next(DERReader.sequence) {
                guard let type = attribute.next(), type.tag == 0x06 else { break }
                // 2.5.4.3; of the kinds of strings those that are UTF-8, or a part of it.
                guard type.content == [0x55, 0x04, 0x03], let value = attribute.next(),
                    [0x0c, 0x13, 0x16].contains(value.tag)
                else { continue }
                found = text(Array(value.content)) ?? found
            }
        }
        return found
    }

    private static func text(_ bytes: [UInt8]) -> String? {
        guard !bytes.isEmpty, bytes.count <= maxLength, let text = String(validating: bytes, as: UTF8.self) else {
            return nil
        }
        // Control characters have no place in a name that is logged and compared.
        return text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f } ? text : nil
    }
}

/// Reads DER, element by element. Lengths are checked; nothing is copied.
struct DERReader {
    static let sequence: UInt8 = 0x30
    static let set: UInt8 = 0x31

    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) {
        rest = bytes
    }

    /// The tag of the next element.
    var tag: UInt8? { rest.first }

    mutating func next() -> (tag: UInt8, content: ArraySlice<UInt8>)? {
        guard let tag = rest.popFirst(), let first = rest.popFirst() else { return nil }
        var length = Int(first)
        if first >= 0x80 {
            let count = Int(first & 0x7f)
            guard (1...3).contains(count), rest.count >= count else { return nil }
            length = 0
            for _ in 0..<count { length = length << 8 | Int(rest.removeFirst()) }
        }
        guard length <= rest.count else { return nil }
        defer { rest = rest.dropFirst(length) }
        return (tag, rest.prefix(length))
    }

    /// What is in the next element, if that has this tag.
    mutating func next(_ tag: UInt8) -> DERReader? {
        guard self.tag == tag, let element = next() else { return nil }
        return DERReader(element.content)
    }
}
