// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Certificates for one test, made by `openssl` in a directory of their own: NAME.pem and NAME.key of
///
/// | name | |
/// |---|---|
/// | `ca`, `other` | two authorities |
/// | `server`, `second` | of a server on localhost, from `ca` |
/// | `elsewhere` | of a server at another address, from `ca` |
/// | `alice`, `bob` | of clients, from `ca` |
/// | `expired` | of a client, from `ca` |
/// | `stranger` | of a client, from `other` |
package struct Certificates: Sendable {
    package let directory: String

    private static let script = """
        set -eu
        cd "$1"
        authority() {
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.pem \
                -subj "/CN=$2" -days 30
        }
        # NAME SUBJECT DAYS AUTHORITY ALTERNATIVE-NAMES
        leaf() {
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.csr -subj "$2"
            printf 'subjectAltName=%s\\n' "$5" >$1.ext
            openssl x509 -req -in $1.csr -CA $4.pem -CAkey $4.key -CAcreateserial -days $3 -extfile $1.ext -out $1.pem
        }
        authority ca 'Berth test authority'
        authority other 'Another authority'
        leaf server /CN=localhost 30 ca DNS:localhost,IP:127.0.0.1
        leaf second /CN=localhost 30 ca DNS:localhost,IP:127.0.0.1
        leaf elsewhere /CN=elsewhere 30 ca DNS:elsewhere.example
        leaf alice /O=Teams/CN=alice 30 ca email:alice@example.org
        leaf bob /O=Teams/CN=bob 30 ca email:bob@example.org
        leaf expired /CN=late 30 ca email:late@example.org
        openssl x509 -req -in expired.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days -1 -out expired.pem
        leaf stranger /CN=stranger 30 other email:stranger@example.org
        """

    package static func with(_ body: (Certificates) async throws -> Void) async throws {
        var template = Array("/tmp/berth-tls-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw MissingPart("a directory in /tmp") }
        let directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { _ = try? ChildProcess("/bin/rm", ["-rf", directory]).wait() }
        let errors = open("\(directory)/log", O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
        defer { close(errors) }
        let status = try ChildProcess(
            "/bin/sh", ["-c", script, "sh", directory], output: errors, errors: errors
        ).wait()
        guard status == 0 else { throw MissingPart("openssl, or it failed: see \(directory)/log") }
        try await body(Certificates(directory: directory))
    }

    package func certificate(_ name: String) -> String { "\(directory)/\(name).pem" }

    package func key(_ name: String) -> String { "\(directory)/\(name).key" }

    /// Puts the certificate and key of `source` where those of `name` are: each file is replaced as a whole.
    package func replace(_ name: String, by source: String) throws {
        for suffix in ["key", "pem"] {
            let (from, to) = ("\(directory)/\(source).\(suffix)", "\(directory)/\(name).\(suffix)")
            guard try ChildProcess("/bin/cp", [from, "\(to).new"]).wait() == 0, rename("\(to).new", to) == 0 else {
                throw MissingPart("\(from)")
            }
        }
    }
}
