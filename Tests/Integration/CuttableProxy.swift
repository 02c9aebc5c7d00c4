// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import TestSupport

/// A proxy between a client and a server, which can cut their connections.
final class CuttableProxy: Sendable {
    private struct State {
        var sockets: [Int32] = []
        var isRefusing = false
        var accepted = 0
    }

    private let listener: Int32
    private let server: UInt16
    private let port: UInt16
    private let state = Mutex(State())

    /// - Parameter server: HOST:PORT on loopback.
    init(to server: String) throws {
        guard let port = server.split(separator: ":").last.flatMap({ UInt16($0) }) else {
            throw MissingPart("a port in \(server)")
        }
        self.server = port
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = Self.loopback(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(listener, generic, length) == 0 && listen(listener, 16) == 0
                    && getsockname(listener, generic, &length) == 0
            }
        }
        guard isListening else { throw MissingPart("a port to listen on") }
        self.port = UInt16(bigEndian: address.sin_port)
        Thread.detachNewThread { [self] in
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0 else { break }
                _ = fcntl(client, F_SETFD, FD_CLOEXEC)
                take(client)
            }
        }
    }

    var address: String { "127.0.0.1:\(port)" }

    /// Number of connections so far.
    var accepted: Int { state.withLock { $0.accepted } }

    /// Cuts all connections. If `refusing`, new ones are refused from then on.
    func cut(refusing: Bool = false) {
        state.withLock { state in
            state.isRefusing = refusing
            for socket in state.sockets { shutdown(socket, Int32(SHUT_RDWR)) }
        }
    }

    func close() {
        cut(refusing: true)
        shutdown(listener, Int32(SHUT_RDWR))
        Glibc.close(listener)
    }

    private func take(_ client: Int32) {
        let upstream = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = Self.loopback(server)
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(upstream, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        let isTaken = state.withLock { state in
            guard isConnected, !state.isRefusing else { return false }
            state.sockets += [client, upstream]
            state.accepted += 1
            return true
        }
        guard isTaken else {
            Glibc.close(client)
            Glibc.close(upstream)
            return
        }
        let both = DispatchGroup()
        for (from, to) in [(client, upstream), (upstream, client)] {
            both.enter()
            Thread.detachNewThread {
                Self.copy(from, to)
                shutdown(from, Int32(SHUT_RDWR))
                shutdown(to, Int32(SHUT_RDWR))
                both.leave()
            }
        }
        both.notify(queue: .global()) { [self] in
            state.withLock { $0.sockets.removeAll { $0 == client || $0 == upstream } }
            Glibc.close(client)
            Glibc.close(upstream)
        }
    }

    private static func copy(_ from: Int32, _ to: Int32) {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = recv(from, &chunk, chunk.count, 0)
            guard count > 0 else { return }
            var sent = 0
            while sent < count {
                let more = chunk[sent..<count].withUnsafeBytes {
                    send(to, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                guard more > 0 else { return }
                sent += more
            }
        }
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }
}
