// SPDX-License-Identifier: Apache-2.0

import SimulationModel

#if canImport(Glibc)
    import Glibc
#endif

// `simulate [SEED] [STEPS]`: the pool's state machine through random stories, every rule checked after each event.

func number<T: FixedWidthInteger>(_ index: Int, or otherwise: T) -> T {
    guard CommandLine.arguments.count > index, !CommandLine.arguments[index].isEmpty else { return otherwise }
    guard let number = T(CommandLine.arguments[index]) else {
        print("simulate: \"\(CommandLine.arguments[index])\" is no number; usage: simulate [SEED] [STEPS]")
        exit(2)
    }
    return number
}

let seed: UInt64 = number(1, or: .random(in: 0..<1_000_000_000))
let steps = number(2, or: 5_000_000)
print("simulate: seed \(seed), \(steps) events")
do throws(Simulation.Failure) {
    let clock = ContinuousClock()
    let began = clock.now
    let lived = try Simulation().run(seed: seed, steps: steps)
    print("simulate: \(lived) events in \(began.duration(to: clock.now)), every rule held")
} catch {
    print("simulate: FAILED: \(error)\nsimulate: again: make simulate SEED=\(error.seed) STEPS=1")
    exit(1)
}
