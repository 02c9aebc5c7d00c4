// SPDX-License-Identifier: Apache-2.0

package import BerthSchema
internal import BerthWire

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// A client that blocks and, once it is made, allocates nothing: what is measured beside it is the server alone.
package final class RawConnection {
    private let descriptor: Int32
    private let buffer: UnsafeMutableRawBufferPointer
    private var readable = 0
    private var decoder = FrameDecoder()

    /// - Parameter bufferSize: more than any frame has.
    /// - Throws: `BenchmarkError` when nobody listens there.
    package init(port: Int, bufferSize: Int = 1 << 20) throws(BenchmarkError) {
        buffer = .allocate(byteCount: bufferSize, alignment: 16)
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(truncatingIfNeeded: port).bigEndian)
        address.sin_addr.s_addr = in_addr_t(UInt32(0x7f00_0001).bigEndian)
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            throw BenchmarkError("127.0.0.1:\(port): \(String(cString: strerror(errno)))")
        }
    }

    deinit {
        close(descriptor)
        buffer.deallocate()
    }

    /// Sends bytes that are frames already, and reads until `ends` streams have ended.
    /// - Returns: the data of the last frame, valid until the next call.
    /// - Throws: `BenchmarkError` when the connection ends.
    @discardableResult
    package func exchange(_ frames: [UInt8], ends: Int) throws(BenchmarkError) -> UnsafeRawBufferPointer {
        try send(frames)
        var left = ends
        var position = 0
        while true {
            let rest = UnsafeRawBufferPointer(rebasing: buffer[position..<readable])
            switch decoder.next(rest) {
            case .frame(let header, let data):
                let isEnd = header.type == .response || header.flags.contains(.remoteClosed)
                if isEnd { left -= 1 }
                position += data.upperBound
                guard left == 0 else { continue }
                // What comes after the last end would be for nobody.
                precondition(position == readable, "the server sent more than was asked for")
                readable = 0
                return UnsafeRawBufferPointer(rebasing: rest[data])
            case .needMore:
                buffer.copyMemory(from: rest)
                readable -= position
                position = 0
                try receive()
            case .oversized, .skip:
                throw BenchmarkError("the server sent an oversized frame")
            }
        }
    }

    private func send(_ bytes: [UInt8]) throws(BenchmarkError) {
        let wrote = bytes.withUnsafeBytes {
            Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        guard wrote == bytes.count else {
            throw BenchmarkError("the server does not read: \(String(cString: strerror(errno)))")
        }
    }

    private func receive() throws(BenchmarkError) {
        let room = UnsafeMutableRawBufferPointer(rebasing: buffer[readable...])
        let count = recv(descriptor, room.baseAddress, room.count, 0)
        guard count > 0 else { throw BenchmarkError("the server closed the connection") }
        readable += count
    }
}

extension RawConnection {
    /// A request as it goes over the wire.
    package static func frame(
        _ service: String, _ method: String, _ message: some Message, stream: UInt32 = 1, isStreaming: Bool = false
    ) -> [UInt8] {
        let data = Request(service: service, method: method, payload: message.encoded()).encoded()
        var bytes = [UInt8](repeating: 0, count: FrameHeader.size)
        let header = FrameHeader(
            length: UInt32(data.count), streamID: stream, type: .request, flags: isStreaming ? .remoteClosed : [])
        bytes.withUnsafeMutableBytes { header.encode(into: $0) }
        return bytes + data
    }
}
