// SPDX-License-Identifier: Apache-2.0

/// An operation of a load test.
package enum Operation: String, Codable, CaseIterable, Sendable {
    /// One unary call.
    case stats
    /// Acquires a lease. Its release is measured, but is not part of the operation's time.
    case acquire
    /// Runs the program in a lease that is held for the whole test.
    case execute
    /// Acquire, execute, release: three calls.
    case cycle
    /// The same as `cycle` in one call, as `berth run` does it.
    case run
    /// Runs a program with much output in a lease that is held for the whole test.
    case stream
    /// Runs the program through the Docker Engine instead of Berth, as a baseline.
    case dockerExec

    /// Whether it runs in a lease that is acquired before the test and held throughout.
    var needsHeldLease: Bool { self == .execute || self == .stream }
}

/// A mix of operations.
package enum Scenario: String, Codable, CaseIterable, Sendable {
    case stats
    case acquire
    case execute
    case cycle
    case run
    case stream
    /// 40 % run, 30 % cycle, 20 % stats, 10 % stream.
    case mix

    /// The operations and their shares in percent.
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

    /// The operation of the `index`th arrival. It is the same in each test and for each worker.
    func operation(at index: UInt64) -> Operation {
        let shares = shares
        var draw = SplitMix64(seed: index).first % 100
        for (operation, share) in shares {
            if draw < share { return operation }
            draw -= share
        }
        return shares[0].operation
    }

    /// The default program.
    func command(for operation: Operation) -> [String] {
        switch operation {
        case .stats, .acquire, .dockerExec: []
        case .execute, .cycle, .run: ["true"]
        case .stream: ["sh", "-c", "dd if=/dev/zero bs=65536 count=\(self == .mix ? 16 : 1024) 2>/dev/null"]
        }
    }
}

/// A small generator of sufficient quality, with the same numbers on every machine.
struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    /// The next number, without changing the generator.
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
