// SPDX-License-Identifier: Apache-2.0

import Pool
import Testing

@Suite("Which leases end with a connection")
struct OwnershipTests {
    @Test("a connection's end takes its own leases, and none of another that has a released one's place")
    func reusedPlaces() throws {
        for released in 0..<3 {
            var h = Harness([PoolConfiguration(size: 3, max: 3)])
            h.settle()
            var own = [try h.lease(connection: 7), try h.lease(connection: 7), try h.lease(connection: 7)]
            let isReleased = h.release(own.remove(at: released).token)
            #expect(isReleased)
            h.settle()
            let foreign = try h.lease(connection: 8)
            h.machine.connectionClosed(ConnectionID(7), now: h.now)
            h.pass(.seconds(10))
            h.settle()
            for grant in own {
                let use = h.machine.use(grant.token, begins: false, now: h.now)
                #expect(use == nil)
            }
            let use = h.machine.use(foreign.token, begins: false, now: h.now)
            #expect(use != nil, "the lease of connection 8 is not that of connection 7")
        }
    }
}
