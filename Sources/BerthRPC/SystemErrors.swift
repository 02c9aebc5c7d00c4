// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import NIOCore
internal import NIOPosix

/// Runs what may fail for external reasons. The error says what was tried and, with the system's message, why it failed.
func ioCall<R: Sendable>(_ what: String, _ body: () async throws -> R) async throws(RPCError) -> R {
    do {
        return try await body()
    } catch {
        throw RPCError(system: error, what)
    }
}

extension RPCError {
    init(system error: any Error, _ what: String) {
        if let error = error as? RPCError {
            self = error
            return
        }
        let io = ((error as? NIOConnectionError)?.connectionErrors.last?.error ?? error) as? IOError
        let code: Code =
            switch (error, io?.errnoCode) {
            case (SocketAddressError.unixDomainSocketPathTooLong, _): .invalidArgument
            case (_, EADDRINUSE), (_, EEXIST): .alreadyExists
            case (_, EACCES), (_, EPERM): .permissionDenied
            default: .unavailable
            }
        self.init(code, "\(what): \(systemWords(error))")
    }
}

/// The error as a user of the system knows it.
package func systemWords(_ error: any Error) -> String {
    switch error {
    case let error as IOError:
        return String(cString: strerror(error.errnoCode))
    case let error as NIOConnectionError:
        guard let last = error.connectionErrors.last else { return "the host name \(error.host) is not known" }
        return systemWords(last.error)
    case SocketAddressError.unixDomainSocketPathTooLong:
        return "the path has more than 107 bytes"
    case SocketAddressError.unknown(let host, _):
        return "the host name \(host) is not known"
    case ChannelError.connectTimeout(let time):
        return "no answer within \(time.nanoseconds / 1_000_000) ms"
    default:
        return "\(error)"
    }
}

/// A unix socket's file.
enum SocketFile {
    static func exists(_ path: String) -> Bool {
        var info = stat()
        return lstat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFSOCK
    }

    /// Removes the socket if it exists. Anything else stays.
    static func remove(_ path: String) throws {
        guard exists(path), unlink(path) != 0, errno != ENOENT else { return }
        throw IOError(errnoCode: errno, reason: "unlink")
    }

    /// Binds a socket to a path. Nobody can reach it before it has its owner and permissions.
    /// - Returns: its descriptor.
    static func bind(_ path: String, mode: UInt32, group: UInt32?) throws -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
        do {
            let address = try SocketAddress(unixDomainSocketPath: path)
            // The socket file gets the permissions that the socket has when it is bound.
            guard fchmod(descriptor, 0o600) == 0 else { throw IOError(errnoCode: errno, reason: "fchmod") }
            let bound = address.withSockAddr { Glibc.bind(descriptor, $0, socklen_t($1)) }
            guard bound == 0 else { throw IOError(errnoCode: errno, reason: "bind") }
            if let group, lchown(path, uid_t.max, group) != 0 { throw IOError(errnoCode: errno, reason: "chown") }
            guard chmod(path, mode) == 0 else { throw IOError(errnoCode: errno, reason: "chmod") }
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// Whether connecting failed because nobody listens there.
    static func isAbandoned(_ error: any Error) -> Bool { (error as? IOError)?.errnoCode == ECONNREFUSED }
}

/// Closing descriptors that no channel owns (yet or any more).
enum Descriptor {
    static func isSocket(_ descriptor: Int32) -> Bool {
        var info = stat()
        return fstat(descriptor, &info) == 0 && info.st_mode & S_IFMT == S_IFSOCK
    }

    static func close(_ descriptor: Int32) { _ = Glibc.close(descriptor) }
}

/// Options to detect a peer that vanished silently, within about two minutes.
let keepAlive: [(NIOBSDSocket.Option, Int)] = [
    (.init(rawValue: TCP_KEEPIDLE), 60), (.init(rawValue: TCP_KEEPINTVL), 15), (.init(rawValue: TCP_KEEPCNT), 4),
]
