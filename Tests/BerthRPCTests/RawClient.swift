// SPDX-License-Identifier: Apache-2.0

import BerthSchema
import BerthWire
import Glibc
import TestSupport

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

    private let socket: RawSocket
    var descriptor: Int32 { socket.descriptor }

    /// - Parameter window: approximate size of the receive buffer in bytes; nil: the kernel's default, which is
    ///   megabytes.
    init(port: Int, window: Int32? = nil) throws {
        socket = try RawSocket(port: port, window: window)
    }

    func send(_ bytes: [UInt8]) throws { try socket.send(bytes) }

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
        guard let frame = try receiveIfAny() else {
            throw NeverHappened(description: "the server closed the connection")
        }
        return frame
    }

    /// Waits for the next frame; nil at the end.
    func receiveIfAny() throws -> Frame? {
        guard let head = try socket.receiveIfAny(FrameHeader.size) else { return nil }
        let header = head.withUnsafeBytes { FrameHeader(decoding: $0) }
        return Frame(header: header, data: try socket.receive(Int(header.length)))
    }

    /// Checks that the connection works, and that nothing else is in flight on it.
    func sayHello(id: UInt32 = 4_000_000_001) throws {
        try request("Hello", id: id)
        let answer = try receive()
        guard answer.header.streamID == id, answer.code == 0 else {
            throw NeverHappened(description: "not the answer: \(answer)")
        }
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
