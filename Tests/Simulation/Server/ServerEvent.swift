// SPDX-License-Identifier: Apache-2.0

internal import SimulationModel

/// One event of a story about a server. It has numbers instead of names: `pick` chooses from what exists at that time, so that a
/// story remains valid if events are left out.
package struct ServerEvent: Sendable, CustomStringConvertible {
    package enum Kind: String, Sendable, CaseIterable {
        case connect, leave, acquire, release, renew, execute, executeAlone, attach, signal, list, input, resize
        case hello, tokens, trespass
        case stall, pauseReading, breakRules
        case memberDies, agentStalls, runtimeChanges, pass
    }

    package var kind: Kind
    package var pick: UInt32
    package var value: UInt32
    /// Time before it, in microseconds.
    package var gap: UInt32

    package var description: String { "after \(gap) us \(kind.rawValue) pick \(pick) value \(value)" }
}

/// Tells stories. Each seed has its own mix, so that rare combinations come up.
package struct ServerStoryteller {
    private var random: Randomness
    private var bag: [ServerEvent.Kind] = []
    private let hurry: UInt64

    private static let usual: [ServerEvent.Kind: Int] = [
        .connect: 12, .leave: 3, .acquire: 16, .release: 8, .renew: 4, .execute: 26, .executeAlone: 14, .attach: 4,
        .signal: 6, .input: 8, .resize: 4, .list: 3, .hello: 2, .tokens: 1, .trespass: 4, .stall: 2, .pauseReading: 2,
        .breakRules: 1,
        .memberDies: 1, .agentStalls: 1,
        .runtimeChanges: 1,
        .pass: 4,
    ]

    package init(seed: UInt64) {
        random = Randomness(seed: ~seed &* 3)
        for kind in ServerEvent.Kind.allCases {
            let share = [1, 4, 4, 12][random.below(4)] * (ServerStoryteller.usual[kind] ?? 1)
            // Some stories have no trouble of a kind at all.
            let isTrouble = ServerStoryteller.trouble.contains(kind)
            if isTrouble, random.chance(0.4) { continue }
            bag += Array(repeating: kind, count: max(1, share / 4))
        }
        hurry = [2_000, 20_000, 200_000][random.below(3)]
    }

    private static let trouble: Set<ServerEvent.Kind> = [
        .leave, .signal, .tokens, .stall, .pauseReading, .breakRules, .memberDies, .agentStalls, .runtimeChanges,
    ]

    package mutating func next() -> ServerEvent {
        ServerEvent(
            kind: bag[random.below(bag.count)], pick: UInt32(truncatingIfNeeded: random.next()),
            value: UInt32(truncatingIfNeeded: random.next()), gap: UInt32(random.next() % hurry))
    }
}
