// SPDX-License-Identifier: Apache-2.0

internal import SimulationModel

/// Runs stories about a server until a rule is broken or enough has happened.
package struct ServerSimulation: Sendable {
    /// Number of events of one story. Each story has its own server.
    package var length = 300
    /// Prints what happens.
    package var isTold = false

    package var canary: ServerCanary?
    /// Whether a story that breaks a rule is made as short as it can be.
    package var shrinks = true

    package init() {}

    package struct Failure: Error, CustomStringConvertible {
        package var seed: UInt64
        package var violation: ServerViolation
        package var story: [ServerEvent]
        /// Number of events after which it was noticed at first.
        package var length: Int

        package var description: String {
            """
            \(violation)
            seed \(seed), \(story.count) events show it:
            \(story.map { "    \($0)" }.joined(separator: "\n"))
            """
        }
    }

    package struct Outcome: Sendable {
        /// Number of things that happened: arrivals, decisions of the pool, events of the story.
        package var happened = 0
        /// A hash of all of them, and of when they were.
        package var hash: UInt64 = 0
        package var tally: [String: Int] = [:]
        package var violation: ServerViolation?
        /// Number of events of the story that it took.
        package var events = 0
    }

    /// Runs until at least `steps` things have happened.
    package func run(seed: UInt64, steps: Int) throws(Failure) -> Outcome {
        var sum = Outcome()
        var seed = seed
        while sum.happened < steps {
            let outcome = try story(seed: seed)
            sum.happened += outcome.happened
            sum.hash = sum.hash &* 31 &+ outcome.hash
            sum.events += outcome.events
            sum.tally.merge(outcome.tally) { $0 + $1 }
            seed &+= 1
        }
        return sum
    }

    /// Runs one story, which depends only on the seed.
    package func story(seed: UInt64) throws(Failure) -> Outcome {
        var teller = ServerStoryteller(seed: seed)
        let events = (0..<length).map { _ in teller.next() }
        let outcome = live(events, seed: seed)
        guard let violation = outcome.violation else { return outcome }
        var best = Failure(
            seed: seed, violation: violation, story: Array(events.prefix(outcome.events)), length: outcome.events)
        guard shrinks, !isTold else { throw best }
        best.story = shortest(best.story) { shorter in
            let again = live(shorter, seed: seed)
            guard let violation = again.violation, violation.rule == best.violation.rule else { return nil }
            best.violation = violation
            return Array(shorter.prefix(again.events))
        }
        throw best
    }

    /// How a canary was found.
    package struct Song: Sendable {
        /// Number of events of stories until then, and of the shortest story that shows it.
        package var events: Int
        package var shortest: Int
        package var failure: Failure
    }

    /// Looks for the first story in which a canary is heard.
    /// - Parameters:
    ///   - seed: of the first story.
    ///   - most: events of stories until it must be heard.
    package static func hear(_ canary: ServerCanary, from seed: UInt64, within most: Int, shrinks: Bool) -> Song? {
        var simulation = ServerSimulation()
        simulation.canary = canary
        simulation.length = songLength
        simulation.shrinks = shrinks
        var (seed, events) = (seed, 0)
        while events < most {
            do throws(Failure) {
                events += try simulation.story(seed: seed).events
                seed &+= 1
            } catch {
                return Song(events: events + error.length, shortest: error.story.count, failure: error)
            }
        }
        return nil
    }

    /// Number of events of a story in which a canary is listened for.
    private static let songLength = 200

    private func live(_ events: [ServerEvent], seed: UInt64) -> Outcome {
        let world = World(seed: seed)
        world.isTold = isTold
        world.canary = canary
        return world.live {
            let run = ServerRun(world, seed: seed)
            var outcome = Outcome()
            for event in events where world.violation == nil {
                run.live(event)
                outcome.events += 1
            }
            if world.violation == nil { run.end() }
            (outcome.happened, outcome.hash) = (world.happened, world.hash)
            (outcome.violation, outcome.tally) = (world.violation, run.book.tally)
            run.dispose()
            return outcome
        }
    }
}
