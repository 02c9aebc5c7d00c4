// SPDX-License-Identifier: Apache-2.0

/// What one operation of a load test does.
package enum Operation: String, Codable, CaseIterable, Sendable {
    /// One unary call.
    case stats
    /// Acquires a lease. Its release is measured, but is no part of the operation's time.
    case acquire
    /// Runs the program in a lease that is held for the whole test.
    case execute
    /// Acquire, execute, release: three calls.
    case cycle
    /// The same in one call, as `berth run` does it.
    case run
    /// Runs a program that writes much, in a lease that is held for the whole test.
    case stream
    /// The program, started through the Docker Engine instead of Berth, to compare with.
    case dockerExec

    /// Whether it runs in a lease that is taken before the test and held throughout.
    var needsHeldLease: Bool { self == .execute || self == .stream }
}

/// Which operations a load test does.
package enum Scenario: String, Codable, CaseIterable, Sendable {
    case stats
    case acquire
    case execute
    case cycle
    case run
    case stream
    /// 40 % run, 30 % cycle, 20 % stats, 10 % stream.
    case mix

    /// In hundredths.
    var shares: [(operation: Operation, share: UInt64)] {
        switch self {
        case .stats: [(.stats, 100)]
        case .acquire: [(.acquire, 100)]
        case .execute: [(.execute, 100)]
        case .cycle: [(.cycle, 100)]
        case .run: [(.run, 100)]
        case .stream: [(.stream, 100)]
        case .mix: [(.run, 40), (.cycle, 30), (.stats, 20), (.stream, 10)]
        }
    }

    /// The operation of the `index`th arrival: the same in each test, whoever carries it out.
    func operation(at index: UInt64) -> Operation {
        let shares = shares
        var draw = SplitMix64(seed: index).first % 100
        for (operation, share) in shares {
            if draw < share { return operation }
            draw -= share
        }
        return shares[0].operation
    }

    /// The program where none is given.
    func command(for operation: Operation) -> [String] {
        switch operation {
        case .stats, .acquire, .dockerExec: []
        case .execute, .cycle, .run: ["true"]
        case .stream: ["sh", "-c", "dd if=/dev/zero bs=65536 count=\(self == .mix ? 16 : 1024) 2>/dev/null"]
        }
    }
}

/// Small, good enough, and the same everywhere.
struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    /// The number that a fresh generator with this seed gives.
    var first: UInt64 {
        var copy = self
        return copy.next()
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
