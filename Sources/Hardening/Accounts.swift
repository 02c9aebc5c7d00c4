// SPDX-License-Identifier: Apache-2.0

/// /etc/passwd and /etc/group of a member: the image's own entries, and one for each user that programs may run as.
package struct Accounts: Sendable, Equatable {
    /// In /etc.
    package static let fileNames = ["passwd", "group"]

    package var passwd: [UInt8]
    package var group: [UInt8]
    /// The names of these users, by user id.
    package private(set) var names: [UInt32: String] = [:]

    /// The accounts for images that have none.
    package static let standard = Accounts(
        passwd: Array("root:x:0:0:root:/:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n".utf8),
        group: Array("root:x:0:\nnogroup:x:65534:\n".utf8))

    /// - Parameters:
    ///   - passwd: content of the image's /etc/passwd.
    ///   - group: content of the image's /etc/group.
    package init(passwd: [UInt8], group: [UInt8]) {
        self.passwd = passwd
        self.group = group
    }

    /// Adds the users that the image does not have, since many programs fail for a user without a name.
    /// - Parameters:
    ///   - user: the user that programs run as; if the image has no name for it, it is "berth" or another free name.
    ///   - others: the users that callers may choose.
    ///   - home: home directory of added users.
    package mutating func add(_ user: UInt32, _ others: [UInt32], home: String) {
        var known = Self.entries(passwd, idColumn: 2)
        var groups = Self.entries(group, idColumn: 2)
        for uid in [user] + others where names[uid] == nil {
            if let entry = known.first(where: { $0.id == uid }) {
                names[uid] = entry.name
            } else {
                let name = Self.free("berth", uid, known.map(\.name))
                known.append((name, uid))
                names[uid] = name
                Self.append("\(name):x:\(uid):\(uid)::\(home):/bin/sh", to: &passwd)
            }
            guard !groups.contains(where: { $0.id == uid }) else { continue }
            let name = Self.free(names[uid] ?? "berth", uid, groups.map(\.name))
            groups.append((name, uid))
            Self.append("\(name):x:\(uid):", to: &group)
        }
    }

    private static func free(_ name: String, _ id: UInt32, _ taken: [String]) -> String {
        taken.contains(name) ? "berth-\(id)" : name
    }

    private static func append(_ line: String, to file: inout [UInt8]) {
        if let last = file.last, last != UInt8(ascii: "\n") { file.append(UInt8(ascii: "\n")) }
        file += Array("\(line)\n".utf8)
    }

    /// The entries of a file, without lines that cannot be parsed.
    private static func entries(_ file: [UInt8], idColumn: Int) -> [(name: String, id: UInt32)] {
        file.split(separator: UInt8(ascii: "\n")).compactMap { line in
            let fields = line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
            guard fields.count > idColumn, let id = UInt32(String(decoding: fields[idColumn], as: UTF8.self)) else {
                return nil
            }
            return (String(decoding: fields[0], as: UTF8.self), id)
        }
    }
}

/// The user ids that exist in a user namespace, for example that of a rootless engine.
package struct UserSpace: Sendable, Equatable {
    /// The first id that does not exist.
    package var end: UInt32

    /// All user ids.
    package static let whole = UserSpace(end: .max)
    /// The 65 536 ids that an ordinary user's engine has.
    package static let namespace = UserSpace(end: 65_536)

    package init(end: UInt32) { self.end = end }

    /// The text of /proc/self/uid_map: first inside, first outside, count.
    package init(map: String) {
        var end: UInt64 = 0
        for line in map.split(separator: "\n") {
            let numbers = line.split(whereSeparator: \.isWhitespace).compactMap { UInt64($0) }
            // Ids after a gap are left out.
            if numbers.count == 3, numbers[0] <= end { end = max(end, numbers[0] + numbers[2]) }
        }
        self.end = end == 0 ? .max : UInt32(clamping: end)
    }

    /// The id to use for a wanted one: the same if it exists, else another one between 1000 and the end. Where there is only one,
    /// it is that: root there, and an ordinary user of the host.
    package func user(_ wanted: UInt32) -> UInt32 {
        if end == 1 { return 0 }
        guard wanted >= end, end > 2000 else { return wanted }
        return 1000 + wanted % (end - 1000)
    }
}
