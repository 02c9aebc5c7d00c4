// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// Detects connections that do not speak ttrpc: their first byte is not 0, since no frame is 16 MiB or longer. What follows
/// must never be taken for calls: a web page can make a browser send any bytes in the body of an HTTP request.
enum ForeignProtocol {
    /// Whether a connection that begins with these bytes (at least one) does not speak ttrpc.
    static func begins(_ bytes: ByteBuffer) -> Bool {
        bytes.getInteger(at: bytes.readerIndex, as: UInt8.self) != 0
    }

    /// The answer for such a client; nil if it would understand none.
    static func answer(_ bytes: ByteBuffer) -> ByteBuffer? { isHTTP(bytes) ? ByteBuffer(string: response) : nil }

    /// "HTTP", "TLS", "SSH", or "unknown", for the log.
    static func name(_ bytes: ByteBuffer) -> String {
        if isHTTP(bytes) { return "HTTP" }
        // A TLS record of type handshake, and of any version.
        if bytes.getInteger(at: bytes.readerIndex, as: UInt8.self) == 0x16 { return "TLS" }
        return beginsAlike(bytes, "SSH-") ? "SSH" : "unknown"
    }

    /// The methods of HTTP/1 without WebDAV's, and the first word of HTTP/2.
    private static let methods = [
        "GET ", "POST ", "PUT ", "HEAD ", "OPTIONS ", "DELETE ", "PATCH ", "CONNECT ", "TRACE ", "PRI ",
    ]

    private static func isHTTP(_ bytes: ByteBuffer) -> Bool { methods.contains { beginsAlike(bytes, $0) } }

    /// Compares as many bytes as both have. The first byte already decides, so there is no need to wait for more.
    private static func beginsAlike(_ bytes: ByteBuffer, _ text: String) -> Bool {
        zip(bytes.readableBytesView, text.utf8).allSatisfy { $0 == $1 }
    }

    private static let response: String = {
        let words = "This is a Berth server. It speaks ttrpc (see proto/berth/v1/pool.proto), not HTTP.\n"
        return "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "
            + "\(words.utf8.count)\r\nConnection: close\r\n\r\n\(words)"
    }()
}
