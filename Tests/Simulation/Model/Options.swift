// SPDX-License-Identifier: Apache-2.0

/// What goes wrong in a run, and how often: each value is a fraction of the events of its kind, 0 to 1.
package struct Faults: Sendable {
    /// Creates that fail.
    package var createFails = 0.2
    /// Creates that are given up, and may succeed long after.
    package var createHangs = 0.1
    /// Failed creates whose remains can't be removed at once.
    package var cleaningFails = 0.3
    package var removalFails = 0.2
    package var resetFails = 0.15
    package var pingFails = 0.2
    /// Events that are the death of a member, in any state.
    package var deaths = 0.03
    /// Events in which a caller or a whole connection goes away.
    package var vanishing = 0.04
    /// Events that are many acquires at once.
    package var bursts = 0.01
    /// Events that move the clock by minutes or hours.
    package var jumps = 0.01
    /// Events that change the configuration, resize, drain or close a breaker by hand.
    package var operators = 0.01

    package init() {}

    /// Nothing goes wrong.
    package static var none: Faults {
        var faults = Faults()
        faults.createFails = 0
        faults.createHangs = 0
        faults.cleaningFails = 0
        faults.removalFails = 0
        faults.resetFails = 0
        faults.pingFails = 0
        faults.deaths = 0
        faults.vanishing = 0
        faults.bursts = 0
        faults.jumps = 0
        faults.operators = 0
        return faults
    }
}

/// One event of a story. It has numbers instead of names: `pick` chooses from what exists at that time, so that a story
/// remains valid if events are left out.
package struct Event: Sendable, CustomStringConvertible {
    package enum Kind: String, Sendable {
        case maintain, acquire, burst, cancelWaiter, release, releaseAgain, returnUnused, use, endUse, renew
        case closeConnection, memberDies, pass, jump, createEnds, createHangs, cleaningEnds, removalEnds, resetEnds
        case pingEnds, evict, resize, resetBackoff, drainPool, reload, hostMemory, drain, endLeases, useEnded
    }

    package var kind: Kind
    package var pick: UInt32
    package var value: UInt32
    /// Whether the operation fails.
    package var fails: Bool

    package var description: String { "\(kind.rawValue) pick \(pick) value \(value)\(fails ? " fails" : "")" }
}

/// SplitMix64, which gives the same stories for the same seed on every machine.
package struct Randomness: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) {
        state = seed
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    package mutating func chance(_ share: Double) -> Bool { Double(next() >> 11) * 0x1p-53 < share }
    package mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}

/// Generates stories.
struct Storyteller {
    var random: Randomness
    var faults: Faults

    private static let common: [(Event.Kind, Int)] = [
        (.maintain, 30), (.acquire, 16), (.release, 12), (.createEnds, 12), (.removalEnds, 12), (.resetEnds, 8),
        (.cleaningEnds, 5), (.pingEnds, 5), (.pass, 12), (.use, 4), (.endUse, 3), (.renew, 2), (.returnUnused, 2),
        (.releaseAgain, 1), (.useEnded, 1), (.hostMemory, 1),
    ]
    private static let bag: [Event.Kind] = common.flatMap { Array(repeating: $0.0, count: $0.1) }

    mutating func next() -> Event {
        let kind: Event.Kind
        if random.chance(faults.deaths) {
            kind = random.chance(0.3) ? .evict : .memberDies
        } else if random.chance(faults.vanishing) {
            kind = random.chance(0.6) ? .cancelWaiter : .closeConnection
        } else if random.chance(faults.bursts) {
            kind = .burst
        } else if random.chance(faults.jumps) {
            kind = .jump
        } else if random.chance(faults.operators) {
            let choices: [Event.Kind] = [.resize, .resetBackoff, .drainPool, .reload, .reload]
            kind = random.chance(0.01) ? (random.chance(0.5) ? .drain : .endLeases) : choices[random.below(5)]
        } else {
            kind = Self.bag[random.below(Self.bag.count)]
        }
        var event = Event(
            kind: kind, pick: UInt32(truncatingIfNeeded: random.next()),
            value: UInt32(truncatingIfNeeded: random.next()),
            fails: false)
        switch kind {
        case .createEnds:
            event.fails = random.chance(faults.createFails)
            if random.chance(faults.createHangs) { event.kind = .createHangs }
        case .cleaningEnds: event.fails = random.chance(faults.cleaningFails)
        case .removalEnds: event.fails = random.chance(faults.removalFails)
        case .resetEnds: event.fails = random.chance(faults.resetFails)
        case .pingEnds: event.fails = random.chance(faults.pingFails)
        default: break
        }
        return event
    }
}
