// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// A client that sends what it likes and reads what it is told to, over a blocking socket. Each wait ends after 20 seconds.
package final class RawSocket {
    package private(set) var descriptor: Int32

    /// - Parameters:
    ///   - port: a port of 127.0.0.1.
    ///   - window: bytes that the kernel takes for it, about; nil: as many as the kernel likes, which is megabytes.
    package init(port: Int, window: Int32? = nil) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
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
        guard status == 0 else { throw NeverHappened(description: "no connection to port \(port): errno \(errno)") }
    }

    /// - Parameter address: as 127.0.0.1:7411.
    package convenience init(_ address: String) throws {
        guard let port = address.split(separator: ":").last.flatMap({ Int($0) }) else {
            throw NeverHappened(description: "no address: \(address)")
        }
        try self.init(port: port)
    }

    deinit { close() }

    package func close() {
        if descriptor >= 0 { _ = Glibc.close(descriptor) }
        descriptor = -1
    }

    package func send(_ bytes: some Collection<UInt8>) throws {
        var rest = Array(bytes)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { throw NeverHappened(description: "the server does not read: errno \(errno)") }
            rest = rest.dropFirst(count)
        }
    }

    /// - Returns: so many bytes; nil if the server closed the connection before the first of them.
    package func receiveIfAny(_ count: Int) throws -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let came = bytes.withUnsafeMutableBytes {
                recv(descriptor, $0.baseAddress.map { $0 + filled }, count - filled, 0)
            }
            guard came >= 0 else { throw NeverHappened(description: "nothing came: errno \(errno)") }
            guard came > 0 else {
                guard filled > 0 else { return nil }
                throw NeverHappened(description: "the server closed the connection after \(filled) of \(count) bytes")
            }
            filled += came
        }
        return bytes
    }

    package func receive(_ count: Int) throws -> [UInt8] {
        guard let bytes = try receiveIfAny(count) else {
            throw NeverHappened(description: "the server closed the connection")
        }
        return bytes
    }

    /// The next frame: its stream and its data.
    package func receiveFrame() throws -> (stream: UInt32, data: [UInt8]) {
        let head = try receive(10)
        let numbers = [head[0..<4], head[4..<8]].map { $0.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } }
        return (numbers[1], try receive(Int(numbers[0])))
    }
}
