// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// How a fleet hands its members to the program that takes this one's place.
extension Fleet {
    /// How often `suspend` looks.
    private static let lookInterval = Duration.milliseconds(2)

    /// Begins no create, removal, reset or ping until `resume`, and waits for those in flight. Leases and idle members are served
    /// all the same.
    /// - Returns: false if they did not end within `limit`; then it has resumed.
    public func suspend(within limit: Duration) async -> Bool {
        setSuspended(true)
        let deadline = clock.now() + limit
        while isAtWork {
            guard clock.now() < deadline else {
                resume()
                return false
            }
            try? await clock.sleep(until: clock.now() + Self.lookInterval)
        }
        return true
    }

    public func resume() {
        setSuspended(false)
        nudge.signal()
    }

    /// What another program needs to go on, see `FleetStateMachine.carried`.
    public var carried: CarriedFleet {
        var carried = machineCarried
        for index in carried.members.indices {
            carried.members[index].user = users?.user(of: MemberID(carried.members[index].id))
        }
        return carried
    }

    /// Goes on with the members of another program. Call it once, before `run` and any acquire.
    public func goOn(_ carried: CarriedFleet, links: [MemberID: any MemberLink]) {
        for member in carried.members {
            if let user = member.user { users?.keep(user, MemberID(member.id)) }
        }
        machineGoesOn(carried, links)
    }

    /// A member's stream has ended that this fleet goes on with.
    public func memberDied(lost member: MemberID) { memberDied(member) }

    /// The links of all members.
    public func allLinks() -> [any MemberLink] { machineLinks }
}
