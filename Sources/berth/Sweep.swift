import ArgumentParser
import DockerRuntime
import Logging
import Pool

/// What the janitor of a dead server runs where an engine holds the containers.
struct Sweep: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remove an ended server's containers from an engine.", shouldDisplay: false)

    @Option var dockerHost: String
    @Option var instance: String
    @Option var stateDir: String
    @Option var agent: String

    static func command(_ endpoint: DockerEndpoint, _ instance: String, _ directory: String) -> [String] {
        let own = AgentBinary.realPath("/proc/self/exe") ?? "berth"
        return [
            own, "sweep", "--docker-host", endpoint.description, "--instance", instance, "--state-dir", directory,
            "--agent", own,
        ]
    }

    mutating func run() async throws {
        do {
            let runtime = try DockerRuntime(
                endpoint: try RuntimeChoice.endpoint(dockerHost), instance: instance, agentPath: agent,
                stateDirectory: stateDir, logger: Logger(label: "berth") { _ in SwiftLogNoOpLogHandler() })
            for member in try await runtime.members() { try await runtime.remove(member) }
            await runtime.shutdown()
        } catch let error as RuntimeError {
            throw Failure(error.message)
        }
    }
}
