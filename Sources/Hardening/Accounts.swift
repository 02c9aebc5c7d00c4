// SPDX-License-Identifier: Apache-2.0

/// /etc/passwd and /etc/group of a member: the image's own entries, and one for each user that programs may run as.
package struct Accounts: Sendable, Equatable {
    /// In /etc.
    package static let fileNames = ["passwd", "group"]

    package var passwd: [UInt8]
    package var group: [UInt8]
    /// By user id: the names that these users have in it.
    package private(set) var names: [UInt32: String] = [:]

    /// What is there where an image says nothing.
    package static let standard = Accounts(
        passwd: Array("root:x:0:0:root:/:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n".utf8),
        group: Array("root:x:0:\nnogroup:x:65534:\n".utf8))

    /// - Parameters:
    ///   - passwd: of the image.
    ///   - group: the same.
    package init(passwd: [UInt8], group: [UInt8]) {
        self.passwd = passwd
        self.group = group
    }

    /// Adds the users that the image does not know, so that they have names: many programs end without.
    /// - Parameters:
    ///   - user: who programs run as, "berth" if the image does not call it, or another, so.
    ///   - others: who callers may ask for.
    ///   - home: of those that are added.
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

    /// The entries of a file whose lines make sense.
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

/// User ids where not all of them exist: in a user namespace, as of a rootless engine.
package struct UserSpace: Sendable, Equatable {
    /// The first that can't be had.
    package var end: UInt32

    /// All that there are.
    package static let whole = UserSpace(end: .max)
    /// What an ordinary user's engine has: 65 536 of them.
    package static let namespace = UserSpace(end: 65_536)

    package init(end: UInt32) { self.end = end }

    /// The text of /proc/self/uid_map: first inside, first outside, count.
    package init(map: String) {
        var end: UInt64 = 0
        for line in map.split(separator: "\n") {
            let numbers = line.split(whereSeparator: \.isWhitespace).compactMap { UInt64($0) }
            // What lies beyond a gap is left out.
            if numbers.count == 3, numbers[0] <= end { end = max(end, numbers[0] + numbers[2]) }
        }
        self.end = end == 0 ? .max : UInt32(clamping: end)
    }

    /// The user that is to be had for one that is wanted: it, or another of its own between 1000 and the end.
    package func user(_ wanted: UInt32) -> UInt32 {
        guard wanted >= end, end > 2000 else { return wanted }
        return 1000 + wanted % (end - 1000)
    }
}
