// SPDX-License-Identifier: Apache-2.0

/// Runs stories until a rule is broken or there were enough events.
package struct Simulation: Sendable {
    package var faults: Faults
    /// Number of events of one story. Each story has its own fleet.
    package var length: Int

    package init(faults: Faults = Faults(), length: Int = 2000) {
        self.faults = faults
        self.length = length
    }

    /// How a run failed, with the shortest story that was found to show it.
    package struct Failure: Error, CustomStringConvertible {
        package var seed: UInt64
        package var violation: Violation
        package var story: [Event]
        /// Whether the story ends with a shutdown.
        package var ends: Bool

        package var description: String {
            """
            \(violation)
            seed \(seed), \(story.count) events\(ends ? ", then the server drains" : "") show it:
            \(story.map { "    \($0)" }.joined(separator: "\n"))
            """
        }
    }

    /// Runs at least `steps` events.
    /// - Returns: the number of events.
    /// - Throws: `Failure`.
    @discardableResult
    package func run(seed: UInt64, steps: Int, sabotage: (() -> Run.Sabotage)? = nil) throws(Failure) -> Int {
        var lived = 0
        var seed = seed
        while lived < steps {
            lived += try story(seed: seed, sabotage: sabotage)
            seed &+= 1
        }
        return lived
    }

    /// Runs one story, which depends only on the seed. In every fourth nothing fails; every second ends with a
    /// shutdown.
    package func story(seed: UInt64, sabotage: (() -> Run.Sabotage)? = nil) throws(Failure) -> Int {
        var teller = Storyteller(random: Randomness(seed: ~seed), faults: seed % 4 == 3 ? Faults.none : faults)
        let events = (0..<length).map { _ in teller.next() }
        let ends = seed % 2 == 0
        let (steps, violation) = Self.live(events, seed: seed, ends: ends, sabotage: sabotage)
        guard let violation else { return steps }
        throw Self.shrunk(
            Failure(seed: seed, violation: violation, story: Array(events.prefix(steps)), ends: ends), sabotage)
    }

    private static func live(
        _ events: [Event], seed: UInt64, ends: Bool, sabotage: (() -> Run.Sabotage)?
    ) -> (steps: Int, Violation?) {
        var run = Run(seed: seed, sabotage: sabotage?())
        do throws(Violation) {
            for event in events { try run.live(event) }
            if ends { try run.end() }
            return (run.steps, nil)
        } catch {
            return (run.steps, error)
        }
    }

    private static func shrunk(_ failure: Failure, _ sabotage: (() -> Run.Sabotage)?) -> Failure {
        var best = failure
        func shown(_ story: [Event], ends: Bool) -> [Event]? {
            let (steps, violation) = live(story, seed: best.seed, ends: ends, sabotage: sabotage)
            guard let violation, violation.rule == best.violation.rule else { return nil }
            best.violation = violation
            return Array(story.prefix(steps))
        }
        if best.ends, let story = shown(best.story, ends: false) { (best.story, best.ends) = (story, false) }
        best.story = shortest(best.story) { shown($0, ends: best.ends) }
        return best
    }
}
