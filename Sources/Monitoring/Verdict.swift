// SPDX-License-Identifier: Apache-2.0

internal import Pool

/// How a server is, in one line for people: the pool that needs them most, why, when it tries again, and what mends it.
struct Verdict: Equatable, Sendable {
    /// Which of several pools is told of, and in which colour.
    enum Level: String, Sendable, CaseIterable {
        case ok, busy, warning, bad

        var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
    }

    /// A wait in line that is more than the moment a warm container takes.
    private static let longWait = Duration.seconds(1)

    var level: Level
    var text: String
    var why: String?
    /// Until the next create, if creates fail.
    var nextTry: Duration?
    /// What to do, and the command for it.
    var advice: String?
    var command: String?

    init(
        _ level: Level, _ text: String, why: String? = nil, nextTry: Duration? = nil, advice: String? = nil,
        command: String? = nil
    ) {
        self.level = level
        self.text = text
        self.why = why
        self.nextTry = nextTry
        self.advice = advice
        self.command = command
    }

    /// Of a whole server.
    init(_ figures: ServerFigures) {
        guard !figures.isDraining else {
            self.init(
                .warning, "The server is stopping",
                why: "It refuses new work, waits for the programs that run, and then removes every container.")
            return
        }
        let verdicts = figures.pools.map(Verdict.init)
        guard let worst = verdicts.max(by: { $0.level.rank < $1.level.rank }) else {
            self.init(.warning, "There is no pool", advice: "Configure one, and load the configuration again.")
            return
        }
        self = worst
        if worst.level == .ok { text = "All pools are warm" }
        let others = verdicts.count(where: { $0.level == worst.level }) - 1
        if worst.level != .ok, others > 0 { text += " (\(others) more pool\(others == 1 ? "" : "s") too)" }
    }

    /// Of one pool.
    init(_ pool: PoolSnapshot) {
        let line = pool.waiters == 1 ? "1 caller waits in line" : "\(pool.waiters) callers wait in line"
        if pool.isDraining {
            self.init(
                .warning, "\(pool.name) takes no new callers",
                why: "It was drained. \(pool.leased) of its containers are still leased.",
                advice: "It serves again after the configuration was loaded again (SIGHUP to the server).")
            return
        }
        switch pool.breaker {
        case .open(let error, let nextTry):
            self.init(
                .bad, "\(pool.name) can't create containers", why: error.message, nextTry: nextTry,
                advice: "Once the cause is mended, try at once:", command: "berth admin reset-backoff \(pool.name)")
            return
        case .halfOpen(let error):
            self.init(.bad, "\(pool.name) tries again to create a container", why: error.message)
            return
        case .closed: break
        }
        if let held = pool.held, pool.waiters > 0 || pool.idle < pool.target {
            self.init(
                .warning, "\(pool.name) may not grow", why: "\(held.sentence)" + (pool.waiters > 0 ? " \(line)." : ""),
                advice: held.advice, command: held.command(pool))
        } else if pool.waiters > 0, pool.oldestWait > Self.longWait {
            let size = min(pool.max, max(pool.target * 2, pool.target + pool.waiters))
            self.init(
                .warning, "\(pool.name) has too few warm containers",
                why: "\(line), the first for \(pool.oldestWait.tenths).", advice: "Keep more of them warm:",
                command: "berth admin resize \(pool.name) --size \(size)")
        } else if pool.idle * 2 < pool.target {
            // One or two that are being replaced are how a pool works.
            self.init(
                .busy, "\(pool.name) is filling up",
                why: "\(pool.idle) of \(pool.target) containers are warm; being created: \(pool.starting).")
        } else {
            self.init(.ok, "\(pool.name) is warm")
        }
    }
}

extension HeldReason {
    fileprivate var sentence: String { description.prefix(1).uppercased() + description.dropFirst() + "." }

    fileprivate var advice: String {
        switch self {
        case .poolMax: "Allow it more:"
        case .fleetMax: "Allow the server more: the setting max."
        case .memoryBudget: "Allow containers more memory together (memory_budget), or each one less (memory)."
        case .hostMemory: "Free memory of the host, or give each container less (memory)."
        }
    }

    fileprivate func command(_ pool: PoolSnapshot) -> String? {
        guard case .poolMax(let max) = self else { return nil }
        return "berth admin resize \(pool.name) --max \(max * 2)"
    }
}

extension Duration {
    /// "2.3 s"
    fileprivate var tenths: String {
        let tenths = Int(inSeconds * 10)
        return "\(tenths / 10).\(tenths % 10) s"
    }
}
