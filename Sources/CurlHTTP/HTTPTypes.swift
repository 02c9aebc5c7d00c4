// SPDX-License-Identifier: Apache-2.0

/// Where the server is.
package enum HTTPEndpoint: Sendable, Equatable {
    /// A unix socket's path, at most 107 bytes.
    case unixSocket(String)
    /// - Parameter tls: nil for plain HTTP.
    case tcp(host: String, port: Int, tls: HTTPTLS? = nil)
    /// A program's standard input and output, the program started for each connection: `ssh HOST docker system
    /// dial-stdio`. It is looked for in PATH.
    case command([String])
}

/// What TLS needs to know, as paths of PEM files.
package struct HTTPTLS: Sendable, Equatable {
    /// The authorities that may have signed the server's certificate; nil for the system's.
    package var authorities: String?
    /// The client's own certificate and key, where the server wants one.
    package var certificate: String?
    package var key: String?
    /// False takes any certificate: the connection is then encrypted, but to anyone.
    package var verifies: Bool

    package init(authorities: String? = nil, certificate: String? = nil, key: String? = nil, verifies: Bool = true) {
        self.authorities = authorities
        self.certificate = certificate
        self.key = key
        self.verifies = verifies
    }
}

package enum HTTPMethod: String, Sendable {
    case get = "GET"
    case head = "HEAD"
    case post = "POST"
    case put = "PUT"
    case delete = "DELETE"
}

package struct HTTPRequest: Sendable {
    package var method: HTTPMethod
    /// Begins with "/" and is percent-encoded where it must be: see `percentEncoded`.
    package var path: String
    /// Names and values as they are; they are encoded on the way.
    package var query: [(name: String, value: String)]
    package var headers: [(name: String, value: String)]
    /// With a body, `Content-Type` is `application/json` unless the headers say otherwise.
    package var body: [UInt8]?
    /// From the start of the connection to the last byte of the body.
    package var timeout: Duration
    /// The longest body that is taken; of a streamed one, the longest line.
    package var maxBodyBytes: Int

    package init(
        _ method: HTTPMethod, _ path: String, query: [(name: String, value: String)] = [],
        headers: [(name: String, value: String)] = [], body: [UInt8]? = nil, timeout: Duration = .seconds(30),
        maxBodyBytes: Int = 4 << 20
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.timeout = timeout
        self.maxBodyBytes = maxBodyBytes
    }

    /// The path with its query.
    var target: String {
        guard !query.isEmpty else { return path }
        let pairs = query.map { "\(Self.percentEncoded($0.name))=\(Self.percentEncoded($0.value))" }
        return "\(path)?\(pairs.joined(separator: "&"))"
    }

    /// `text` as one segment of a path or one part of a query (RFC 3986, the unreserved characters stay).
    package static func percentEncoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var encoded: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                encoded.append(byte)
            default:
                encoded += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: encoded, as: UTF8.self)
    }
}

package struct HTTPResponse: Sendable {
    package var status: Int
    /// In the order in which they came, names in lower case.
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]

    package var isSuccess: Bool { (200..<300).contains(status) }

    /// The first header of that name.
    package func header(_ name: String) -> String? {
        let name = name.lowercased()
        return headers.first { $0.name == name }?.value
    }
}
