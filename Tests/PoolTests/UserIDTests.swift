// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Pool

/// Item B10.
@Suite("User ids of members")
struct UserIDTests {
    @Test("each member has one of its own until it is gone, and what was given back comes last")
    func own() {
        let users = UserIDs(70_000...70_003, first: 70_002)
        let members = (0..<5).map { MemberID("m\($0)") }
        #expect(members[..<4].map { users.take($0) } == [70_002, 70_003, 70_000, 70_001])
        #expect(users.take(members[4]) == nil)
        #expect(users.take(members[1]) == 70_003)
        users.giveBack(members[1])
        users.giveBack(members[1])
        #expect(users.take(members[4]) == 70_003)
        users.giveBack(members[4])
        users.giveBack(members[0])
        #expect(users.take(members[0]) == 70_002)
    }
}
