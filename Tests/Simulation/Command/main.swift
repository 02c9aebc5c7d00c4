// SPDX-License-Identifier: Apache-2.0

import ServerSimulation
import SimulationModel

#if canImport(Glibc)
    import Glibc
#endif

// `simulate [SEED] [STEPS]`: the pool's state machine through random stories, every rule checked after each event.
// `simulate server [SEED] [STEPS] [told]`: a whole server above its sockets.
// `simulate canaries|planted [SEED] [STEPS] [short]`: whether broken servers are found out.

func number<T: FixedWidthInteger>(_ index: Int, or otherwise: T) -> T {
    guard CommandLine.arguments.count > index, !CommandLine.arguments[index].isEmpty else { return otherwise }
    guard let number = T(CommandLine.arguments[index]) else {
        print("simulate: \"\(CommandLine.arguments[index])\" is no number; usage: simulate [SEED] [STEPS]")
        exit(2)
    }
    return number
}

func simulatePool(seed: UInt64, steps: Int) {
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
}

/// Sets and dictionaries have an order of their own in each process, unless Swift is told otherwise before it starts.
func becomeRepeatable() {
    guard getenv("SWIFT_DETERMINISTIC_HASHING") == nil else { return }
    setenv("SWIFT_DETERMINISTIC_HASHING", "1", 1)
    var arguments = CommandLine.arguments.map { strdup($0) }
    arguments.append(nil)
    execv("/proc/self/exe", arguments)
    print("simulate: it can't be started again: errno \(errno)")
    exit(2)
}

func simulateServer(seed: UInt64, steps: Int, isTold: Bool) {
    becomeRepeatable()
    print("simulate: server, seed \(seed), \(steps) events")
    var simulation = ServerSimulation()
    simulation.isTold = isTold
    do throws(ServerSimulation.Failure) {
        let clock = ContinuousClock()
        let began = clock.now
        let outcome = try simulation.run(seed: seed, steps: steps)
        let tally = outcome.tally.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        print("simulate: \(tally)")
        print(
            "simulate: \(outcome.happened) events in \(began.duration(to: clock.now)), every rule held; trace \(String(outcome.hash, radix: 16))"
        )
    } catch {
        print("simulate: FAILED: \(error)\nsimulate: again: make simulate TARGET=server SEED=\(error.seed) STEPS=1")
        exit(1)
    }
}

/// Puts each known fault into a server, and looks whether it is found.
func hearCanaries(_ canaries: [ServerCanary], seed: UInt64, steps: Int, shrinks: Bool) {
    becomeRepeatable()
    print("simulate: \(canaries.count) canaries, seed \(seed), each within \(steps) events")
    var unheard = 0
    for canary in canaries {
        guard let song = ServerSimulation.hear(canary, from: seed, within: steps, shrinks: shrinks) else {
            print("simulate: \(canary.rawValue) sings unheard")
            unheard += 1
            continue
        }
        let violation = song.failure.violation
        let short = shrinks ? ", in \(song.shortest) at the shortest" : ""
        if canary.rules.contains(violation.rule) {
            print(
                "simulate: \(canary.rawValue) was heard after \(song.events) events\(short): \(violation.rule.rawValue)"
            )
        } else {
            print("simulate: \(canary.rawValue) was taken for another: \(violation)")
            unheard += 1
        }
    }
    exit(unheard == 0 ? 0 : 1)
}

if let what = CommandLine.arguments.dropFirst().first, ["canaries", "planted"].contains(what) {
    hearCanaries(
        what == "planted" ? ServerCanary.planted : ServerCanary.allCases,
        seed: number(2, or: .random(in: 0..<1_000_000_000)), steps: number(3, or: 100_000),
        shrinks: CommandLine.arguments.last == "short")
} else if CommandLine.arguments.dropFirst().first == "server" {
    simulateServer(
        seed: number(2, or: .random(in: 0..<1_000_000_000)), steps: number(3, or: 1_000_000),
        isTold: CommandLine.arguments.last == "told")
} else {
    let first = CommandLine.arguments.dropFirst().first == "pool" ? 2 : 1
    simulatePool(seed: number(first, or: .random(in: 0..<1_000_000_000)), steps: number(first + 1, or: 5_000_000))
}
