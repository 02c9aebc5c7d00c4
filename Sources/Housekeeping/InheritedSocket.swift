// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import Pool

/// A listening socket that systemd has opened for this process: socket activation, see sd_listen_fds(3).
package struct InheritedSocket: Sendable, Equatable {
    package let descriptor: Int32
    /// `HOST:PORT`, `[HOST]:PORT`, or `unix:PATH`.
    package let address: String

    package var isUnix: Bool { address.hasPrefix("unix:") }

    /// The sockets that are meant for this process, if any. They are closed in programs that it starts.
    /// - Throws: `invalidConfiguration` if one is no listening stream socket.
    package static func all() throws(RuntimeError) -> [InheritedSocket] {
        guard number("LISTEN_PID") == Int(getpid()), let count = number("LISTEN_FDS"), count > 0 else { return [] }
        var sockets: [InheritedSocket] = []
        for descriptor in first..<(first + Int32(clamping: min(count, most))) {
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            sockets.append(InheritedSocket(descriptor: descriptor, address: try address(of: descriptor)))
        }
        return sockets
    }

    private static let first: Int32 = 3
    /// More than anybody lets a server listen on.
    private static let most = 64

    private static func address(of descriptor: Int32) throws(RuntimeError) -> String {
        guard option(SO_TYPE, of: descriptor) == Int32(SOCK_STREAM.rawValue), option(SO_ACCEPTCONN, of: descriptor) == 1
        else {
            throw RuntimeError(
                .invalidConfiguration,
                "descriptor \(descriptor), which this server was started with, is no listening socket of a stream: "
                    + "use ListenStream= in the socket unit, and Accept=no")
        }
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard result == 0 else { throw systemFailure("getsockname", errno) }
        return storage.ss_family == AF_UNIX ? try path(storage, length) : try numbers(&storage, length)
    }

    private static func path(_ storage: sockaddr_storage, _ length: socklen_t) throws(RuntimeError) -> String {
        let bytes = withUnsafeBytes(of: storage) { Array($0.prefix(Int(length)).dropFirst(2)) }
        guard let first = bytes.first, first != 0 else {
            throw RuntimeError(
                .invalidConfiguration,
                "a unix socket that this server was started with has no path: use ListenStream=/PATH in the socket unit"
            )
        }
        return "unix:" + String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }

    private static func numbers(_ storage: inout sockaddr_storage, _ length: socklen_t) throws(RuntimeError) -> String {
        var (host, port) = ([CChar](repeating: 0, count: 64), [CChar](repeating: 0, count: 16))
        let result = withUnsafePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getnameinfo(
                    $0, length, &host, socklen_t(host.count), &port, socklen_t(port.count),
                    NI_NUMERICHOST | NI_NUMERICSERV)
            }
        }
        guard result == 0 else {
            throw RuntimeError(
                .invalidConfiguration, "a socket that this server was started with is of no family that it knows")
        }
        let (name, number) = (string(host), string(port))
        return name.contains(":") ? "[\(name)]:\(number)" : "\(name):\(number)"
    }

    private static func string(_ text: [CChar]) -> String {
        String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func option(_ name: Int32, of descriptor: Int32) -> Int32? {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, name, &value, &length) == 0 ? value : nil
    }

    private static func number(_ variable: String) -> Int? {
        getenv(variable).flatMap { Int(String(cString: $0)) }
    }
}
