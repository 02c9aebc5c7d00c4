// SPDX-License-Identifier: Apache-2.0

import Console

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The address of a server: a path, or a numeric host. The whole program handles names, which it can look up.
enum NumericAddress: Equatable {
    case path(String)
    case tcp(host: String, port: UInt16)

    private static let standard = NumericAddress.tcp(host: "127.0.0.1", port: 7411)

    /// - Parameter given: the value of `--server`; nil: that of the environment.
    init?(_ given: String?) {
        guard let text = given ?? Arguments.variable("BERTH_SERVER") else {
            self = .standard
            return
        }
        if text.hasPrefix("unix:/"), !text.hasPrefix("unix://") {
            self = .path(String(text.dropFirst("unix:".count)))
            return
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(parts[1])
        else { return nil }
        self = .tcp(host: parts[0].isEmpty ? "127.0.0.1" : String(parts[0]), port: port)
    }

    /// Connects, and returns a non-blocking socket; nil if that fails within `milliseconds`, for any reason.
    func connect(within milliseconds: Int32) -> Int32? {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        switch self {
        case .tcp(let host, let port):
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            guard inet_pton(AF_INET, host, &address.sin_addr) == 1 else { return nil }
            let socket = Glibc.socket(AF_INET, type, 0)
            var yes: Int32 = 1
            setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
            return NumericAddress.connect(socket, &address, MemoryLayout<sockaddr_in>.size, within: milliseconds)
        case .path(let path):
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            let bytes = Array(path.utf8)
            let fits = withUnsafeMutableBytes(of: &address.sun_path) { room in
                guard bytes.count < room.count else { return false }
                room.copyBytes(from: bytes)
                return true
            }
            guard fits else { return nil }
            let socket = Glibc.socket(AF_UNIX, type, 0)
            return NumericAddress.connect(socket, &address, MemoryLayout<sockaddr_un>.size, within: milliseconds)
        }
    }

    private static func connect(
        _ socket: Int32, _ address: UnsafeRawPointer, _ size: Int, within milliseconds: Int32
    ) -> Int32? {
        guard socket >= 0 else { return nil }
        let result = Glibc.connect(socket, address.assumingMemoryBound(to: sockaddr.self), socklen_t(size))
        if result == 0 || (errno == EINPROGRESS && hasConnected(socket, within: milliseconds)) { return socket }
        close(socket)
        return nil
    }

    private static func hasConnected(_ socket: Int32, within milliseconds: Int32) -> Bool {
        var end = pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)
        guard poll(&end, 1, milliseconds) == 1 else { return false }
        var error: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0
    }
}
