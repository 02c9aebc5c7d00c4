internal import Glibc
internal import NIOCore

/// Runs what may fail for reasons outside; the error says what was tried and, in the system's words, why it failed.
func ioCall<R: Sendable>(_ what: String, _ body: () async throws -> R) async throws(RPCError) -> R {
    do {
        return try await body()
    } catch {
        throw RPCError(connecting: error, what)
    }
}

extension RPCError {
    init(connecting error: any Error, _ what: String) {
        switch error {
        case let error as RPCError:
            self = error
        case let error as IOError:
            let code: Code =
                switch error.errnoCode {
                case EADDRINUSE, EEXIST: .alreadyExists
                case EACCES, EPERM: .permissionDenied
                default: .unavailable
                }
            self.init(code, "\(what): \(String(cString: strerror(error.errnoCode)))")
        case SocketAddressError.unixDomainSocketPathTooLong:
            self.init(.invalidArgument, "\(what): the path has more than 107 bytes")
        case let error as SocketAddressError:
            self.init(.unavailable, "\(what): \(error.words)")
        case ChannelError.connectTimeout(let time):
            self.init(.unavailable, "\(what): no answer within \(time.nanoseconds / 1_000_000) ms")
        default:
            self.init(.unavailable, "\(what): \(error)")
        }
    }
}

extension SocketAddressError {
    fileprivate var words: String {
        switch self {
        case .unknown(let host, _): "the host name \(host) is not known"
        default: "\(self)"
        }
    }
}

/// The two things that need to be known of a unix socket's file.
enum SocketFile {
    static var refused: Int32 { ECONNREFUSED }

    static func isSocket(_ path: String) -> Bool {
        var info = stat()
        return lstat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFSOCK
    }

    static func removeSocket(_ path: String) throws {
        guard isSocket(path), unlink(path) != 0, errno != ENOENT else { return }
        throw IOError(errnoCode: errno, reason: "unlink")
    }
}
