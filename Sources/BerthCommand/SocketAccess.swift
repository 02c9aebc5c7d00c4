// SPDX-License-Identifier: Apache-2.0

import Configuration

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The permissions of a unix socket, which decide who may connect.
struct SocketAccess {
    let mode: UInt32
    /// Nil: the server's own group.
    let group: UInt32?

    /// - Throws: `Failure` if the group does not exist.
    init(_ configuration: ServerConfiguration) throws {
        group = try configuration.socketGroup.map(SocketAccess.group)
        mode = configuration.socketMode ?? (group == nil ? 0o600 : 0o660)
    }

    private static func group(_ name: String) throws -> UInt32 {
        if let number = UInt32(name), number != .max { return number }
        guard let entry = getgrnam(name) else {
            throw Failure("socket_group \"\(name)\": there is no such group on this host", code: 2)
        }
        return entry.pointee.gr_gid
    }

    static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
