// SPDX-License-Identifier: Apache-2.0

import Pool
import Testing

@testable import Monitoring

@Suite struct VerdictTests {
    private func pool(_ name: String = "python", _ change: (inout PoolSnapshot) -> Void) -> PoolSnapshot {
        var pool = PoolSnapshot.named(name)
        change(&pool)
        return pool
    }

    private func verdict(_ pools: PoolSnapshot...) -> Verdict {
        var figures = ServerFigures(version: "9.9.9", runtime: "runc")
        figures.pools = pools
        return Verdict(figures)
    }

    @Test("a server without trouble says that all pools are warm, also while single members are replaced")
    func warm() {
        #expect(verdict(.example) == Verdict(.ok, "All pools are warm"))
        #expect(verdict(.example, pool { $0.idle = 1 }) == Verdict(.ok, "All pools are warm"))
        #expect(verdict(pool { $0.idle = 0 }).text == "python is filling up")
        #expect(verdict(pool { $0.idle = 0 }).level == .busy)
    }

    @Test("the pool whose creates fail is named, with why, when next, and the command that mends it")
    func broken() {
        let broken = pool { $0.breaker = .open(RuntimeError(.failed, "no disk"), nextTry: .seconds(299)) }
        let expected = Verdict(
            .bad, "python can't create containers", why: "no disk", nextTry: .seconds(299),
            advice: "Once the cause is mended, try at once:", command: "berth admin reset-backoff python")
        #expect(verdict(.example, pool("b") { $0.idle = 0 }, broken) == expected)
        let other = pool("node") { $0.breaker = .halfOpen(RuntimeError(.failed, "no disk")) }
        #expect(verdict(other).text == "node tries again to create a container")
        #expect(verdict(broken, other).text.hasSuffix(" (1 more pool too)"))
        #expect(verdict(broken, other, other).text.hasSuffix(" (2 more pools too)"))
    }

    @Test(
        "a pool that a limit holds says which, and what raises it",
        arguments: [
            (
                HeldReason.poolMax(16), "The pool has its most members (16). 1 caller waits in line.", "Allow it more:",
                "berth admin resize python --max 32"
            ),
            (
                .fleetMax(300), "The server has its most members (300). 1 caller waits in line.",
                "Allow the server more: the setting max.", nil
            ),
            (
                .memoryBudget(needed: 1 << 29, used: 1 << 32, budget: 1 << 32),
                "A member needs 512 MiB, and 4096 of the budget's 4096 MiB are taken. 1 caller waits in line.",
                "Allow containers more memory together (memory_budget), or each one less (memory).", nil
            ),
            (
                .hostMemory(needed: 1 << 29, available: 1 << 28),
                "A member needs 512 MiB, and the host has 256 MiB available. 1 caller waits in line.",
                "Free memory of the host, or give each container less (memory).", nil
            ),
        ] as [(HeldReason, String, String, String?)])
    func held(_ reason: HeldReason, _ why: String, _ advice: String, _ command: String?) {
        let held = verdict(
            pool {
                $0.held = reason
                $0.waiters = 1
            })
        #expect(held == Verdict(.warning, "python may not grow", why: why, advice: advice, command: command))
    }

    @Test("a line that does not move is told of, a short one is not")
    func waiting() {
        let moving = pool {
            $0.waiters = 2
            $0.oldestWait = .milliseconds(30)
        }
        #expect(verdict(moving).level == .ok)
        let stuck = pool {
            $0.waiters = 3
            $0.oldestWait = .milliseconds(2345)
        }
        #expect(verdict(stuck).why == "3 callers wait in line, the first for 2.3 s.")
        #expect(verdict(stuck).command == "berth admin resize python --size 5")
    }

    @Test("a server that stops says so before all else; a drained pool says how it serves again")
    func draining() {
        var figures = ServerFigures(version: "9.9.9", runtime: "runc")
        #expect(Verdict(figures).text == "There is no pool")
        figures.isDraining = true
        #expect(Verdict(figures).text == "The server is stopping")
        #expect(verdict(pool { $0.isDraining = true }).text == "python takes no new callers")
        #expect(verdict(pool { $0.isDraining = true }).advice?.contains("SIGHUP") == true)
    }
}
