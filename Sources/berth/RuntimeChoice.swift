import Logging
import Pool
import RuncRuntime

/// The runtime that a server takes, the image its containers are made of, and why.
struct RuntimeChoice {
    var runtime: any ContainerRuntime
    var image: String
    /// The runc whose containers the janitor has to remove; nil with Docker.
    var runc: String?
    /// Commands that remove what a dead server has left in the engine.
    var sweeps: [[String]] = []

    static func make(
        _ settings: ServerSettings, agent: String, directory: StateDirectory, logger: Logger
    ) async throws -> RuntimeChoice {
        try runc(settings, agent: agent, directory: directory, logger: logger)
    }

    private static func runc(
        _ settings: ServerSettings, agent: String, directory: StateDirectory, logger: Logger
    ) throws -> RuntimeChoice {
        let runtime = try RuncRuntime(
            runcPath: nil, instance: settings.instanceName, agentPath: agent, stateDirectory: directory.path,
            logger: logger)
        return RuntimeChoice(runtime: runtime, image: settings.image ?? "host", runc: RuncProbe().runtimePath)
    }
}
