// SPDX-License-Identifier: Apache-2.0

import BerthSchema
import BerthWire
import Glibc

/// A client that sends arbitrary bytes on a blocking socket. Each wait ends after 20 seconds.
final class RawClient {
    struct Frame: Equatable, CustomStringConvertible {
        var header: FrameHeader
        var data: [UInt8]

        /// The status code of a Response: 0 on success, -1 if the frame is not a Response.
        var code: Int32 {
            guard header.type == .response, let response else { return -1 }
            return response.status?.code ?? 0
        }

        var response: Response? { try? Response(decoding: data) }

        var description: String {
            "stream \(header.streamID) type \(header.type.rawValue) flags \(header.flags.rawValue) code \(code) "
                + (response?.status?.message ?? "\(data.count) bytes")
        }
    }

    struct Failure: Error { var what: String }

    let descriptor: Int32
    private var unread: [UInt8] = []

    /// - Parameter window: approximate size of the receive buffer in bytes; nil: the kernel's default, which is
    ///   megabytes.
    init(port: Int, window: Int32? = nil) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        if var window {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &window, socklen_t(MemoryLayout<Int32>.size))
        }
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { throw Failure(what: "connect: errno \(errno)") }
    }

    deinit { close(descriptor) }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { raw in
                Glibc.send(
                    descriptor, raw.baseAddress.map { $0 + sent }, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failure(what: "send: errno \(errno)") }
            sent += count
        }
    }

    /// Sends as many bytes as the peer's window takes now.
    func sendWithoutWaiting(_ bytes: [UInt8]) -> Int {
        bytes.withUnsafeBytes { raw in
            max(
                0,
                Glibc.send(
                    descriptor, raw.baseAddress, bytes.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT)))
        }
    }

    func send(_ type: UInt8, _ flags: UInt8 = 0, id: UInt32, _ data: [UInt8] = [], length: UInt32? = nil) throws {
        try send(frame(type, flags, id: id, data, length: length))
    }

    func request(
        _ method: String, id: UInt32, flags: UInt8 = 0, payload: [UInt8] = [], timeout: Int64 = 0,
        service: String = TestService.name
    ) throws {
        try send(frame(1, flags, id: id, requestBody(method, payload: payload, timeout: timeout, service: service)))
    }

    /// Waits for the next frame.
    func receive() throws -> Frame {
        guard let frame = try receiveIfAny() else { throw Failure(what: "the server closed the connection") }
        return frame
    }

    /// Waits for the next frame; nil at the end.
    func receiveIfAny() throws -> Frame? {
        guard try fill(FrameHeader.size) else { return nil }
        let header = unread.withUnsafeBytes { FrameHeader(decoding: $0) }
        let total = FrameHeader.size + Int(header.length)
        guard try fill(total) else { throw Failure(what: "the server closed the connection in the middle of a frame") }
        let data = Array(unread[FrameHeader.size..<total])
        unread.removeFirst(total)
        return Frame(header: header, data: data)
    }

    /// Checks that the connection works, and that nothing else is in flight on it.
    func sayHello(id: UInt32 = 4_000_000_001) throws {
        try request("Hello", id: id)
        let answer = try receive()
        guard answer.header.streamID == id, answer.code == 0 else { throw Failure(what: "not the answer: \(answer)") }
    }

    private func fill(_ count: Int) throws -> Bool {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while unread.count < count {
            let received = recv(descriptor, &chunk, chunk.count, 0)
            guard received >= 0 else { throw Failure(what: "recv: errno \(errno)") }
            guard received > 0 else { return false }
            unread += chunk[..<received]
        }
        return true
    }
}

func frame(_ type: UInt8, _ flags: UInt8 = 0, id: UInt32, _ data: [UInt8] = [], length: UInt32? = nil) -> [UInt8] {
    let header = FrameHeader(
        length: length ?? UInt32(data.count), streamID: id, type: FrameType(rawValue: type),
        flags: FrameFlags(rawValue: flags))
    var bytes = [UInt8](repeating: 0, count: FrameHeader.size)
    bytes.withUnsafeMutableBytes { header.encode(into: $0) }
    return bytes + data
}

func requestBody(
    _ method: String, payload: [UInt8] = [], timeout: Int64 = 0, service: String = TestService.name
) -> [UInt8] {
    Request(service: service, method: method, payload: payload, timeoutNanoseconds: timeout).encoded()
}
