// SPDX-License-Identifier: Apache-2.0

/// The address of the server.
package enum HTTPEndpoint: Sendable, Equatable {
    /// The path of a unix socket, at most 107 bytes.
    case unixSocket(String)
    /// - Parameter tls: nil for plain HTTP.
    case tcp(host: String, port: Int, tls: HTTPTLS? = nil)
    /// Standard input and output of a program that is started for each connection, for example `ssh HOST docker system
    /// dial-stdio`. It is searched in PATH.
    case command([String])
}

/// TLS settings. All files are in PEM format, and given by their paths.
package struct HTTPTLS: Sendable, Equatable {
    /// The authorities that may sign the server's certificate; nil for those of the system.
    package var authorities: String?
    /// The client's certificate and key, if the server requires one.
    package var certificate: String?
    package var key: String?
    /// False accepts any certificate: the connection is then encrypted, but the server may be anyone.
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
    /// Begins with "/" and is percent-encoded where needed: see `percentEncoded`.
    package var path: String
    /// Names and values that are not encoded yet.
    package var query: [(name: String, value: String)]
    package var headers: [(name: String, value: String)]
    /// The body. `Content-Type` is `application/json` unless the headers set it.
    package var body: [UInt8]?
    /// Maximum time from the start to the last byte of the body. For an upgrade it begins when the connection is made,
    /// for which there are 10 s in any case.
    package var timeout: Duration
    /// Maximum bytes of the body or, if it is read by `HTTPClient.lines`, of one line. Not used for an upgrade.
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

    /// The path with the query.
    var target: String {
        guard !query.isEmpty else { return path }
        let pairs = query.map { "\(Self.percentEncoded($0.name))=\(Self.percentEncoded($0.value))" }
        return "\(path)?\(pairs.joined(separator: "&"))"
    }

    /// Encodes `text` for one segment of a path or one part of a query: everything but the unreserved characters of RFC
    /// 3986.
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
    /// The headers in the order of arrival, with names in lower case.
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]

    package var isSuccess: Bool { (200..<300).contains(status) }

    /// The value of the first header with that name.
    package func header(_ name: String) -> String? {
        let name = name.lowercased()
        return headers.first { $0.name == name }?.value
    }
}
