import Pool

// How many leases a second the state machine alone can do on one core, with few members and with many: acquire, release,
// and the maintenance between them. `make benchmark`.

final class NoLink: MemberLink {
    func close(_ reason: LinkCloseReason) {}
}

struct Bench {
    var machine: PoolStateMachine
    var now = MonotonicInstant(nanoseconds: 1)
    var random = SystemRandomNumberGenerator()
    var counter = 0
    let link = NoLink()

    init(members: Int, reuse: PoolConfiguration.Reuse) {
        let pool = PoolConfiguration(size: members, max: members * 2, reuse: reuse, maxUses: nil)
        machine = PoolStateMachine(FleetConfiguration(pools: [pool], max: .max))
        while machine.memberCount < members { maintain() }
    }

    mutating func maintain() {
        let step = machine.next(
            now: now,
            newMember: {
                counter += 1
                return MemberID("bench-\(counter)")
            }, hostMemory: { nil })
        if let create = step.create {
            _ = machine.createSucceeded(create.member, link: link, took: .milliseconds(20), now: now)
        }
        for order in step.resets { machine.resetFinished(order.member, nil, now: now) }
        for member in step.removals { machine.removalFinished(member, nil, now: now) }
        _ = machine.takeEffects()
    }

    /// - Parameter maintains: every lease is followed by its reset, or its removal and the create after it; else the
    ///   member goes back unused, and only acquire and the way back are measured.
    mutating func run(_ count: Int, maintains: Bool) -> Double {
        // Tokens are made by the caller: not measured.
        let tokens = (0..<1024).map { _ in LeaseToken(using: &random) }
        let clock = ContinuousClock()
        let began = clock.now
        for index in 0..<count {
            now = now + .microseconds(1)
            let token = tokens[index & 1023]
            let order = AcquireOrder(token: token, waiter: WaiterID(UInt64(index)), connection: ConnectionID(1))
            guard case .granted = machine.acquire(order, now: now) else { fatalError("no member was idle") }
            if maintains {
                _ = machine.release(token, now: now)
                maintain()
            } else {
                machine.returnUnused(token, now: now)
            }
        }
        let seconds = began.duration(to: clock.now) / .seconds(1)
        return Double(count) / seconds
    }
}

func inThousands(_ rate: Double) -> String { "\(Int(rate / 1000)) thousand/s" }

for members in [10, 1_000, 10_000] {
    var reused = Bench(members: members, reuse: .reset)
    _ = reused.run(100_000, maintains: false)
    let pure = reused.run(2_000_000, maintains: false)
    let reset = reused.run(1_000_000, maintains: true)
    var destroyed = Bench(members: members, reuse: .never)
    let never = destroyed.run(300_000, maintains: true)
    print(
        """
        \(members) members: acquire + return \(inThousands(pure)); acquire + release + reset \(inThousands(reset)); \
        acquire + release + remove + create \(inThousands(never))
        """)
}
