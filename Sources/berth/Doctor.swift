import ArgumentParser
import RuncRuntime

struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tell what this machine has and lacks for each runtime, and the command that mends it.")

    mutating func run() async throws {
        print("runc (embedded)")
        let probe = RuncProbe()
        if let path = probe.runtimePath { print("  ok       \(path)") }
        for problem in probe.problems {
            print("  \(problem.isFatal ? "missing" : "lacking")  \(problem.message)")
            if let remedy = problem.remedy { print("           mend it with: \(remedy)") }
        }
    }
}
