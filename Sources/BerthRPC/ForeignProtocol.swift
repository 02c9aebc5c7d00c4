// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// A connection that begins with another byte than 0 does not speak ttrpc: no frame has a length of 16 MiB and more. What
/// follows must never be taken for calls: a web page can have a browser send any bytes in the body of an HTTP request.
enum ForeignProtocol {
    /// Whether a connection that begins with these bytes, of which there is at least one, is not ttrpc's.
    static func begins(_ bytes: ByteBuffer) -> Bool {
        bytes.getInteger(at: bytes.readerIndex, as: UInt8.self) != 0
    }

    /// What such a client is told; nil where nothing would be understood.
    static func answer(_ bytes: ByteBuffer) -> ByteBuffer? { isHTTP(bytes) ? ByteBuffer(string: response) : nil }

    /// "HTTP", "TLS", "SSH", or "unknown", for the log.
    static func name(_ bytes: ByteBuffer) -> String {
        if isHTTP(bytes) { return "HTTP" }
        // A TLS record of type handshake, and of any version.
        if bytes.getInteger(at: bytes.readerIndex, as: UInt8.self) == 0x16 { return "TLS" }
        return beginsAlike(bytes, "SSH-") ? "SSH" : "unknown"
    }

    /// Those of HTTP/1, WebDAV's aside, and what HTTP/2 begins with.
    private static let methods = [
        "GET ", "POST ", "PUT ", "HEAD ", "OPTIONS ", "DELETE ", "PATCH ", "CONNECT ", "TRACE ", "PRI ",
    ]

    private static func isHTTP(_ bytes: ByteBuffer) -> Bool { methods.contains { beginsAlike(bytes, $0) } }

    /// As far as both go: the first byte decides, and nothing more is waited for.
    private static func beginsAlike(_ bytes: ByteBuffer, _ text: String) -> Bool {
        zip(bytes.readableBytesView, text.utf8).allSatisfy { $0 == $1 }
    }

    private static let response: String = {
        let words = "This is a Berth server. It speaks ttrpc (see proto/berth/v1/pool.proto), not HTTP.\n"
        return "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "
            + "\(words.utf8.count)\r\nConnection: close\r\n\r\n\(words)"
    }()
}
