// SPDX-License-Identifier: Apache-2.0

import Glibc
import ServerSimulation
import SimulationModel
import Testing
import TestSupport

/// The simulation's model of the agent is what the real one is, to who has the other end of its stream.
@Suite("The model of the agent")
struct ModelAgentTests {
    /// Number of stories in a run, each with a real agent and more than a dozen executions.
    private static let stories = 30
    private static let canaries: [ServerCanary] = [.a1HelperIsKilled, .tailIsNotRead, .cancelIsLost]

    @Test("it shows of random stories what the real agent shows of them, and would not with a fault")
    func stories() throws {
        let first = getenv("BERTH_TEST_SEED").flatMap { UInt64(String(cString: $0)) }
        let seed = first ?? UInt64.random(in: 0..<1_000_000_000)
        print("ModelAgentTests: BERTH_TEST_SEED=\(seed)")
        let folder = try temporaryDirectory("model-agent")
        let table = "\(folder)/table"
        defer { for path in [table, folder] { remove(path) } }
        try write(AgentStory.table, to: table)
        var unheard = Set(Self.canaries)
        for index in 0..<Self.stories {
            let number = seed + UInt64(index)
            var random = Randomness(seed: number)
            let story = AgentStory(&random)
            let real = try story.told(to: try ContainedAgent(index % 2 == 0 ? .socket : .pipes, table: table))
            let lone = try LoneAgent(seed: number, scripts: story.scripts)
            guard let model = try? story.told(to: lone) else {
                Issue.record("story \(number): the model has no answer any more, where the agent showed \(real)")
                continue
            }
            // What a reset showed is the last.
            for (place, (real, model)) in zip(real, model).enumerated() where real != model {
                Issue.record(
                    """
                    story \(number): \(place < story.executions.count ? "\(story.executions[place])" : "a reset")
                    the agent: \(real)
                    its model: \(model)
                    """)
            }
            #expect(real.count == model.count)
            if let violation = lone.violation, violation.rule != .credit {
                Issue.record("story \(number): \(violation)")
            }
            unheard = try unheard.filter { try !differs(story, number, $0, from: real) }
        }
        #expect(unheard.isEmpty, "seed \(seed): faults of the model that nothing has shown")
    }

    /// Whether a model with a fault shows something else than the real agent.
    private func differs(
        _ story: AgentStory, _ seed: UInt64, _ canary: ServerCanary, from real: [[String]]
    ) throws -> Bool {
        do {
            return try story.told(to: LoneAgent(seed: seed, canary: canary, scripts: story.scripts)) != real
        } catch is LoneAgent.Silent {
            return true
        }
    }

    private func write(_ bytes: [UInt8], to path: String) throws {
        let file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0o644)
        try #require(file >= 0)
        defer { close(file) }
        try #require(Glibc.write(file, bytes, bytes.count) == bytes.count)
    }
}
