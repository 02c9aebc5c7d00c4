// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// The user namespace in which a server of an ordinary user is, with the rights of root over its own containers alone.
package enum UserNamespace {
    /// The user that has started this server, as the host sees it; nil if the server is in no user namespace of its own.
    package static let outerUser: UInt32? = {
        // Said by berth-launcher, which has made the namespace. The whole of the ids are the host's own.
        guard geteuid() == 0, let text = getenv("BERTH_OUTER_UID"), let uid = UInt32(String(cString: text)), uid != 0,
            ids("uid_map") < UInt64(UInt32.max)
        else { return nil }
        return uid
    }()

    package static var isOwn: Bool { outerUser != nil }

    /// Whether the user has no subordinate ids, so that programs run as the agent's user.
    package static let isOfOneID = isOwn && ids("uid_map") == 1

    /// Whether a group id exists here.
    package static func hasGroup(_ gid: UInt64) -> Bool { !isOwn || ids("gid_map") > gid }

    /// How many ids exist here, from 0 on.
    private static func ids(_ map: String) -> UInt64 {
        var end: UInt64 = 0
        for line in Files.text("/proc/self/\(map)").split(separator: "\n") {
            let numbers = line.split(separator: " ").compactMap { UInt64($0) }
            if numbers.count == 3, numbers[0] <= end { end = max(end, numbers[0] + numbers[2]) }
        }
        return end
    }
}
