// SPDX-License-Identifier: Apache-2.0

internal import Pool

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Connects to the agent in a pod, and shows it the secret.
struct AgentDial {
    var address: String
    var port: UInt16
    var secret: [UInt8]

    /// Maximum time of one try. Addresses of pods that are not there yet often just swallow what is sent to them.
    private static let attempt = Duration.seconds(1)
    private static let pause = Duration.milliseconds(20)

    /// Tries until it is connected, or the task is cancelled.
    /// - Returns: a socket, which the caller must close.
    func connect() async throws -> Int32 {
        while true {
            if let socket = try await tryOnce() { return socket }
            try await Task.sleep(for: Self.pause)
        }
    }

    /// Nil if nothing listens there yet.
    private func tryOnce() async throws -> Int32? {
        let socket = try open()
        do {
            let end = ContinuousClock.now + Self.attempt
            while true {
                var state = pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)
                if poll(&state, 1, 0) > 0 { break }
                guard ContinuousClock.now < end else {
                    close(socket)
                    return nil
                }
                try await Task.sleep(for: .milliseconds(1))
            }
        } catch {
            close(socket)
            throw error
        }
        var (code, size): (Int32, socklen_t) = (0, socklen_t(MemoryLayout<Int32>.size))
        getsockopt(socket, SOL_SOCKET, SO_ERROR, &code, &size)
        guard code == 0, prepare(socket), send(socket, secret, secret.count, Int32(MSG_NOSIGNAL)) == secret.count else {
            close(socket)
            return nil
        }
        return socket
    }

    /// A socket that is connecting.
    private func open() throws(RuntimeError) -> Int32 {
        var (four, six) = (sockaddr_in(), sockaddr_in6())
        let isFour = inet_pton(AF_INET, address, &four.sin_addr) == 1
        guard isFour || inet_pton(AF_INET6, address, &six.sin6_addr) == 1 else {
            throw RuntimeError(.failed, "the pod's address \(address) is none")
        }
        (four.sin_family, four.sin_port) = (sa_family_t(AF_INET), port.bigEndian)
        (six.sin6_family, six.sin6_port) = (sa_family_t(AF_INET6), port.bigEndian)
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let socket = socket(isFour ? AF_INET : AF_INET6, kind, 0)
        guard socket >= 0 else {
            throw RuntimeError(.failed, "no socket for a pod: \(String(cString: strerror(errno)))", errno: errno)
        }
        // What it returns is asked of the socket later.
        _ = isFour ? Self.connect(socket, &four) : Self.connect(socket, &six)
        return socket
    }

    private static func connect<Address>(_ socket: Int32, _ address: inout Address) -> Int32 {
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(socket, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
    }

    /// Small frames go at once, and a node that is gone is noticed in half a minute.
    private func prepare(_ socket: Int32) -> Bool {
        let options: [(level: Int32, name: Int32, value: Int32)] = [
            (Int32(IPPROTO_TCP), TCP_NODELAY, 1), (SOL_SOCKET, SO_KEEPALIVE, 1), (Int32(IPPROTO_TCP), TCP_KEEPIDLE, 15),
            (Int32(IPPROTO_TCP), TCP_KEEPINTVL, 5), (Int32(IPPROTO_TCP), TCP_KEEPCNT, 3),
            (Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, 30_000),
        ]
        return options.allSatisfy { option in
            var value = option.value
            return setsockopt(
                socket, option.level, option.name, &value, socklen_t(MemoryLayout<Int32>.size)) == 0
        }
    }
}
