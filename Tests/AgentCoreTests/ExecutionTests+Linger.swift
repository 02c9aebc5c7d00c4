// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import Testing

@testable import AgentCore

extension ExecutionTests {
    @Test("after the program's end its output is read until it closes, is quiet for the grace, or its time is up")
    func linger() {
        func exited(window: UInt64 = 100, timeout: UInt64 = 0, keeps: Bool = false) -> ExecutionStateMachine {
            var execution = running(timeout: timeout, window: window) {
                $0.outputGraceMilliseconds = 10
                $0.outputGraceMaxMilliseconds = 30
                $0.keepsBackground = keeps
            }
            let actions = execution.exited(
                .exited(code: 0), .init(), outOfMemoryKills: 0, hasLeft: true, now: 100_000_000)
            #expect(actions == [])
            return execution
        }
        var execution = exited()
        #expect(execution.deadline == 110_000_000)
        _ = execution.didSend(1, of: .stdout, now: 109_000_000)
        #expect(execution.timePassed(now: 118_999_999, hasUnread: false) == [])
        #expect(execution.timePassed(now: 119_000_000, hasUnread: false) == [.lookAtLeft])
        #expect(execution.lookedAtLeft(runs: true, now: 119_000_000) == [], "it may only be waiting for a processor")
        #expect(execution.timePassed(now: 129_000_000, hasUnread: false) == [.lookAtLeft])
        #expect(execution.lookedAtLeft(runs: false, now: 129_000_000) == [.kill])
        #expect(execution.deadline == nil)

        execution = exited()
        #expect(execution.timePassed(now: 125_000_000, hasUnread: true) == [])
        #expect(execution.deadline == 130_000_000, "its time in all")
        #expect(execution.timePassed(now: 130_000_000, hasUnread: true) == [.kill])

        execution = exited()
        #expect(execution.didClose(.stdout) == [])
        #expect(execution.didClose(.stderr) == [.kill], "no writer is left")

        execution = exited(keeps: true)
        #expect(execution.timePassed(now: 110_000_000, hasUnread: false) == [.lookAtLeft])
        #expect(execution.lookedAtLeft(runs: false, now: 110_000_000) == [.detach, .seal])

        execution = exited(keeps: true)
        #expect(execution.cancel(graceMilliseconds: 5, now: 101_000_000) == [.kill], "what is cancelled keeps nothing")

        execution = exited()
        #expect(execution.gone(nil, outOfMemoryKills: 0) == [.seal], "nothing has been left")
        #expect(execution.deadline == nil)
    }

    @Test("after the program's end, time without credit is not the writer's, but its time-out holds")
    func lingerWithoutCredit() {
        var execution = running(timeout: 500, window: 10) {
            $0.outputGraceMilliseconds = 10
            $0.outputGraceMaxMilliseconds = 30
        }
        _ = execution.exited(.exited(code: 0), .init(), outOfMemoryKills: 0, hasLeft: true, now: 100_000_000)
        _ = execution.didSend(10, of: .stdout, now: 105_000_000)
        #expect(execution.deadline == 501_000_000, "only that of the program itself")
        #expect(execution.timePassed(now: 300_000_000, hasUnread: false) == [])
        let taken = execution.acknowledge(10, now: 305_000_000)
        #expect(taken)
        #expect(execution.deadline == 315_000_000)
        #expect(execution.timePassed(now: 314_000_000, hasUnread: true) == [])
        #expect(execution.deadline == 324_000_000)
        #expect(execution.timePassed(now: 323_000_000, hasUnread: true) == [])
        #expect(execution.deadline == 330_000_000, "30 ms in all, and 200 of waiting for credit")
        _ = execution.didSend(10, of: .stdout, now: 329_000_000)
        #expect(execution.timePassed(now: 501_000_000, hasUnread: false) == [.kill])
    }
}
