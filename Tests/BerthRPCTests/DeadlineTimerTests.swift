// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOEmbedded
import Testing

@testable import BerthRPC

@Suite struct DeadlineTimerTests {
    @Test("the earliest deadline counts, each one that is left is armed again, and a cancelled timer is silent")
    func deadlines() {
        let loop = EmbeddedEventLoop()
        let start = loop.now
        var due = [start + .seconds(1), start + .seconds(3)]
        var fired: [Int64] = []
        let timer = DeadlineTimer(eventLoop: loop) {
            fired.append((loop.now - start).nanoseconds / 1_000_000_000)
            due.removeAll { $0 <= loop.now }
            return due.min()
        }
        timer.arm(start + .seconds(3))
        timer.arm(start + .seconds(1))
        timer.arm(start + .seconds(2))
        loop.advanceTime(by: .seconds(10))
        #expect(fired == [1, 3])
        timer.arm(loop.now + .seconds(1))
        timer.cancel()
        loop.advanceTime(by: .seconds(10))
        #expect(fired == [1, 3])
    }
}
