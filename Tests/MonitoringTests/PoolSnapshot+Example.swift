// SPDX-License-Identifier: Apache-2.0

import Pool

extension PoolSnapshot {
    /// Warm, with two idle members and a leased one.
    static var example: PoolSnapshot { named("example") }

    static func named(_ name: String) -> PoolSnapshot {
        let machine = FleetStateMachine(FleetConfiguration(pools: [PoolConfiguration(name: name, size: 2)]))
        var pool = machine.snapshot(now: MonotonicInstant(nanoseconds: 0))[0]
        (pool.idle, pool.leased) = (2, 1)
        return pool
    }
}
