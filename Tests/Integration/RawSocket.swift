// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport

/// A client that sends arbitrary bytes, and reads only what the test wants.
final class RawSocket {
    fileprivate var descriptor: Int32

    /// - Parameter address: for example 127.0.0.1:7411.
    init(_ address: String) throws {
        let parts = address.split(separator: ":").map(String.init)
        guard parts.count == 2 else { throw NeverHappened(description: "no address: \(address)") }
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(parts[0], parts[1], nil, &found) == 0, let end = found else {
            throw NeverHappened(description: "no address: \(address)")
        }
        defer { freeaddrinfo(found) }
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard connect(descriptor, end.pointee.ai_addr, end.pointee.ai_addrlen) == 0 else {
            throw NeverHappened(description: "no connection to \(address): \(errno)")
        }
    }

    deinit { close() }

    func close() {
        if descriptor >= 0 { _ = Glibc.close(descriptor) }
        descriptor = -1
    }

    func send(_ bytes: ArraySlice<UInt8>) throws {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { throw NeverHappened(description: "the server does not read: \(errno)") }
            rest = rest.dropFirst(count)
        }
    }
}

extension RawSocket {
    /// Reads until a frame of the stream comes. Frames before it are dropped.
    func receive(stream: UInt32) throws {
        while true {
            let head = try receive(10)
            let numbers = [head[0..<4], head[4..<8]].map { $0.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } }
            _ = try receive(Int(numbers[0]))
            if numbers[1] == stream { return }
        }
    }

    private func receive(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var position = 0
        while position < count {
            let came = bytes.withUnsafeMutableBytes {
                recv(descriptor, $0.baseAddress.map { $0 + position }, count - position, 0)
            }
            guard came > 0 else { throw NeverHappened(description: "the server closed the connection") }
            position += came
        }
        return bytes
    }
}
