// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Berth
import BerthSchema
import Console

struct AdminMembers: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "members",
        abstract: "List the containers of a pool, or of all pools.",
        discussion: """
              berth admin members            containers of all pools, as a table
              berth admin members python     containers of one pool
              berth admin members --json     for programs, one object per line

            STATE is starting, idle (warm), leased, resetting (released, and being made as new) or stopping (being \
            removed; it counts until the runtime has confirmed that it is gone). AGE is the time since it was ready, \
            USES how often it was leased. "outdated" marks containers of an earlier configuration.
            """)

    @OptionGroup var server: ServerOptions

    @Argument(help: "The pool (default: all pools).")
    var pool: String?

    @Flag(help: "Print JSON, one object per line.")
    var json = false

    mutating func run() async throws {
        try await server.call { [pool, json] client in
            let members = try await client.members(pool: pool)
            let lines = json ? members.map { JSON.line(MemberLine($0)) } : AdminMembers.table(members)
            try printText(lines.map { $0 + "\n" }.joined())
        }
    }

    private static func table(_ members: [Member]) -> [String] {
        TextTable.lines(
            ["MEMBER", "POOL", "STATE", "AGE", "USES", ""],
            members.map { member in
                [
                    member.id, member.pool, name(member.state), StatsTable.duration(member.ageMilliseconds),
                    "\(member.uses)", member.isOutdated ? "outdated" : "",
                ]
            })
    }

    fileprivate static func name(_ state: MemberState) -> String {
        switch state {
        case .unspecified: "unknown"
        case .starting: "starting"
        case .idle: "idle"
        case .leased: "leased"
        case .resetting: "resetting"
        case .stopping: "stopping"
        }
    }
}

/// A member as JSON, with the names of pool.proto.
private struct MemberLine: Encodable {
    var id, pool, state: String
    var age_ms: UInt64
    var uses: UInt32
    var outdated: Bool

    init(_ member: Member) {
        id = member.id
        pool = member.pool
        state = AdminMembers.name(member.state)
        age_ms = member.ageMilliseconds
        uses = member.uses
        outdated = member.isOutdated
    }
}
