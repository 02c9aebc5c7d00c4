// SPDX-License-Identifier: Apache-2.0

internal import Digest
internal import Glibc

/// The stream from a server that dials its agent, since the engine between them hands over no socket.
///
/// Whoever reaches the container's network may connect. The server is who sends the secret whose hash the agent was given;
/// everybody else's connection is closed. After that nobody can connect any more.
enum DialledSocket {
    /// How long the agent waits. A server that was killed before it had dialled leaves nothing for longer.
    static let patience: UInt64 = 120_000_000_000
    /// Time in which a connection must send its secret.
    private static let limit: UInt64 = 5_000_000_000
    private static let secretBytes = 32
    /// Connections that have not sent their secret yet. One more makes the oldest of them go.
    private static let maxPending = 16

    private struct Pending {
        var socket: Int32
        var deadline: UInt64
        var secret: [UInt8] = []
    }

    private enum Progress { case waiting, proven, refused }

    /// - Parameters:
    ///   - proof: SHA-256 of the secret, in hexadecimal.
    ///   - patience: nanoseconds.
    static func wait(port: UInt16, proof: String, within patience: UInt64) throws(SystemError) -> Descriptor {
        // As process 1 the agent would not hear it.
        signal(SIGTERM) { _ in _exit(143) }
        defer { signal(SIGTERM, SIG_DFL) }
        let listener = try listen(on: port)
        let end = monotonicNow() + patience
        var pending: [Pending] = []
        defer { for one in pending { close(one.socket) } }
        while true {
            let now = monotonicNow()
            guard now < end else {
                errno = ETIMEDOUT
                throw SystemError("wait for the server")
            }
            for one in pending where one.deadline <= now { close(one.socket) }
            pending.removeAll { $0.deadline <= now }
            let next = min(end, pending.map(\.deadline).min() ?? end)
            var ready = [pollfd(fd: listener.raw, events: Int16(POLLIN), revents: 0)]
            ready += pending.map { pollfd(fd: $0.socket, events: Int16(POLLIN), revents: 0) }
            guard poll(&ready, nfds_t(ready.count), Int32((next - now) / 1_000_000 + 1)) > 0 else { continue }
            var kept: [Pending] = []
            var proven: Int32?
            for (one, state) in zip(pending, ready.dropFirst()) {
                var one = one
                switch state.revents == 0 || proven != nil ? .waiting : read(&one, proof) {
                case .waiting: kept.append(one)
                case .proven: proven = one.socket
                case .refused: close(one.socket)
                }
            }
            pending = kept
            if let proven {
                let socket = Descriptor(proven)
                try prepare(socket.raw)
                return socket
            }
            if ready[0].revents != 0 { accept(listener.raw, &pending) }
        }
    }

    private static func listen(on port: UInt16) throws(SystemError) -> Descriptor {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        // For both families where the kernel has IPv6.
        let six = socket(AF_INET6, kind, 0)
        let listener = try Descriptor(six >= 0 ? six : socket(AF_INET, kind, 0), of: "socket")
        var (on, off): (Int32, Int32) = (1, 0)
        setsockopt(listener.raw, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        let result: Int32
        if six >= 0 {
            setsockopt(
                listener.raw, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &off, socklen_t(MemoryLayout<Int32>.size))
            var address = sockaddr_in6()
            (address.sin6_family, address.sin6_port) = (sa_family_t(AF_INET6), port.bigEndian)
            result = bind(listener.raw, &address)
        } else {
            var address = sockaddr_in()
            (address.sin_family, address.sin_port) = (sa_family_t(AF_INET), port.bigEndian)
            result = bind(listener.raw, &address)
        }
        guard result == 0 else { throw SystemError("bind") }
        guard Glibc.listen(listener.raw, Int32(maxPending)) == 0 else { throw SystemError("listen") }
        return listener
    }

    private static func bind<Address>(_ socket: Int32, _ address: inout Address) -> Int32 {
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(socket, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
    }

    private static func accept(_ listener: Int32, _ pending: inout [Pending]) {
        let socket = Glibc.accept(listener, nil, nil)
        guard socket >= 0 else { return }
        _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
        _ = fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) | O_NONBLOCK)
        if pending.count == maxPending { close(pending.removeFirst().socket) }
        pending.append(Pending(socket: socket, deadline: monotonicNow() + limit))
    }

    private static func read(_ one: inout Pending, _ proof: String) -> Progress {
        var bytes = [UInt8](repeating: 0, count: secretBytes - one.secret.count)
        let count = recv(one.socket, &bytes, bytes.count, 0)
        if count < 0, errno == EAGAIN || errno == EINTR { return .waiting }
        guard count > 0 else { return .refused }
        one.secret += bytes[..<count]
        guard one.secret.count == secretBytes else { return .waiting }
        return SHA256.hex(one.secret) == proof ? .proven : .refused
    }

    /// Small frames go at once, and a server whose machine is gone is noticed.
    private static func prepare(_ socket: Int32) throws(SystemError) {
        let options: [(level: Int32, name: Int32, value: Int32)] = [
            (Int32(IPPROTO_TCP), TCP_NODELAY, 1), (SOL_SOCKET, SO_KEEPALIVE, 1), (Int32(IPPROTO_TCP), TCP_KEEPIDLE, 15),
            (Int32(IPPROTO_TCP), TCP_KEEPINTVL, 5), (Int32(IPPROTO_TCP), TCP_KEEPCNT, 3),
            (Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, 30_000),
        ]
        for option in options {
            var value = option.value
            guard setsockopt(socket, option.level, option.name, &value, socklen_t(MemoryLayout<Int32>.size)) == 0
            else { throw SystemError("setsockopt") }
        }
    }
}
