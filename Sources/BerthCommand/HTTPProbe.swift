// SPDX-License-Identifier: Apache-2.0

import NIOCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Asks an HTTP server one thing, and waits for two seconds at most.
enum HTTPProbe {
    enum Outcome {
        /// The first line of the answer.
        case answer(String)
        case silence
        /// Nobody listens, and one may.
        case nobody
        case failure(String)
    }

    static func ask(host: String, port: Int, path: String) -> Outcome {
        guard let address = try? SocketAddress.makeAddressResolvingHost(host, port: port) else {
            return .failure("there is no host \(host)")
        }
        let family = address.protocol == .inet6 ? AF_INET6 : AF_INET
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return .failure(String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var time = timeval(tv_sec: 2, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
        let code = address.withSockAddr { pointer, size in
            connect(descriptor, pointer, socklen_t(size)) == 0 ? 0 : errno
        }
        switch code {
        case 0: return read(descriptor, "GET \(path) HTTP/1.1\r\nHost: \(host):\(port)\r\nConnection: close\r\n\r\n")
        case ECONNREFUSED: return bindable(address, family)
        default: return .failure(String(cString: strerror(code)))
        }
    }

    private static func read(_ descriptor: Int32, _ request: String) -> Outcome {
        let bytes = Array(request.utf8)
        guard send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else { return .silence }
        var answer = [UInt8](repeating: 0, count: 256)
        let count = recv(descriptor, &answer, answer.count, 0)
        guard count > 0 else { return .silence }
        let line = answer.prefix(count).prefix { $0 >= 0x20 && $0 < 0x7f }
        return .answer(String(decoding: line, as: UTF8.self))
    }

    private static func bindable(_ address: SocketAddress, _ family: Int32) -> Outcome {
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return .failure(String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var one: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        return address.withSockAddr { pointer, size in
            bind(descriptor, pointer, socklen_t(size)) == 0 ? .nobody : .failure(String(cString: strerror(errno)))
        }
    }
}
