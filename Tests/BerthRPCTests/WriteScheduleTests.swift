// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import BerthRPC

/// When gathered frames are written.
@Suite struct WriteScheduleTests {
    @Test("outside of a burst, the first frame of a tick schedules the flush for all of them")
    func tick() {
        var schedule = WriteSchedule()
        #expect(schedule.gathered(10) == true)
        #expect(schedule.gathered(20) == false)
        schedule.tickEnded()
        #expect(schedule.beginWrite() == true)
        #expect(schedule.beginWrite() == false)
        schedule.written()
        #expect(schedule.gathered(10) == true)
    }

    @Test("what waits is counted until its write is done, and one write at a time is under way")
    func counting() {
        var schedule = WriteSchedule()
        #expect(schedule.beginWrite() == false)
        _ = schedule.gathered(100)
        #expect(schedule.beginWrite() == true)
        #expect(schedule.isWriting)
        #expect(schedule.pendingBytes == 100)
        // It goes out after the write that is under way, without a flush of its own.
        #expect(schedule.gathered(50) == false)
        #expect(schedule.pendingBytes == 150)
        #expect(schedule.beginWrite() == false)
        #expect(schedule.written() == true)
        #expect(schedule.pendingBytes == 50)
        #expect(schedule.beginWrite() == true)
        #expect(schedule.written() == false)
        #expect(schedule.pendingBytes == 0)
    }

    @Test("in a burst, writes come after 4 frames, then 8, then 16, and what is left at its end")
    func burst() {
        var schedule = WriteSchedule()
        schedule.beginBurst()
        var writes: [Int] = []
        for frame in 1...40 {
            #expect(schedule.gathered(10) == false, "a burst needs no flush at the end of the tick")
            guard schedule.continueBurst() else { continue }
            writes.append(frame)
            #expect(schedule.beginWrite() == true)
            schedule.written()
        }
        #expect(writes == [4, 12, 28])
        schedule.endBurst()
        #expect(schedule.beginWrite() == true)
        #expect(schedule.pendingBytes == 120)
    }

    @Test("a burst that reading interrupts goes on counting")
    func burstGoesOn() {
        var schedule = WriteSchedule()
        schedule.beginBurst()
        for _ in 0..<4 { _ = schedule.gathered(1) }
        #expect(schedule.continueBurst() == true)
        _ = schedule.beginWrite()
        schedule.written()
        schedule.beginBurst()
        for _ in 0..<4 { _ = schedule.gathered(1) }
        #expect(schedule.continueBurst() == false)
    }

    @Test("after the connection's end nothing waits")
    func closed() {
        var schedule = WriteSchedule()
        _ = schedule.gathered(5)
        _ = schedule.beginWrite()
        _ = schedule.gathered(5)
        schedule.closed()
        #expect(schedule.pendingBytes == 0)
        #expect(schedule.beginWrite() == false)
    }
}
