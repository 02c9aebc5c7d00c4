import Configuration
import DockerRuntime
import Logging
import Pool
import RuncRuntime

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The runtime that a server takes, the image of a pool that does not say, and what its janitor needs.
struct RuntimeChoice {
    static let standardImage = "python:3.9-slim"

    var runtime: any ContainerRuntime
    var image: String
    /// The runc whose containers the janitor removes; nil with Docker.
    var runc: String?
    /// Commands by which the janitor removes what a dead server has left in an engine.
    var sweeps: [[String]] = []
    /// Gets what members like this need, their image above all: before the first create, whose time-out is
    /// not meant for that.
    var prepare: @Sendable (MemberTemplate) async throws -> Void = { _ in }
    /// Bytes that members can have now; nil where the kernel does not tell.
    var memory: @Sendable () -> Int64? = HostMemory.available

    /// - Throws: `Failure` or `RuntimeError` that says what is missing, and what to do.
    static func make(
        _ settings: ServerSettings, agent: String, directory: StateDirectory
    ) async throws -> RuntimeChoice {
        switch settings.configuration.runtime {
        case .runc:
            return try await runc(settings, agent: agent, directory: directory)
        case .docker:
            return try await docker(settings, agent: agent, directory: directory)
        case .auto:
            return try await auto(settings, agent: agent, directory: directory)
        }
    }

    /// Docker if it answers and has the image or can get it, else runc; says which and why.
    private static func auto(
        _ settings: ServerSettings, agent: String, directory: StateDirectory
    ) async throws -> RuntimeChoice {
        let against: String
        if let image = settings.configuration.pools.lazy.compactMap(\.image).first(where: PoolSettings.isHostFiles) {
            against = "the image \(image) is the host's own files, which runc alone has"
        } else {
            do {
                let choice = try await docker(settings, agent: agent, directory: directory)
                settings.logger.notice(
                    "taking Docker",
                    metadata: ["runtime.reason": "it answers and has the image \(images(settings, choice))"])
                return choice
            } catch let error as RuntimeError where error.cause != .invalidConfiguration {
                against = error.message
            }
        }
        do {
            let choice = try await runc(settings, agent: agent, directory: directory)
            settings.logger.notice(
                "taking the embedded runtime, runc",
                metadata: ["runtime.reason": "\(against)", "pool.image": "\(images(settings, choice))"])
            return choice
        } catch let error as RuntimeError {
            throw Failure("neither Docker nor runc can be used: \(against); \(error.message); see: berth doctor")
        }
    }

    private static func docker(
        _ settings: ServerSettings, agent: String, directory: StateDirectory
    ) async throws -> RuntimeChoice {
        let endpoint = try endpoint(settings.configuration.dockerHost)
        let runtime = try DockerRuntime(
            endpoint: endpoint, instance: settings.instanceName, agentPath: agent, stateDirectory: directory.path,
            logger: settings.logger)
        let choice = RuntimeChoice(
            runtime: runtime, image: standardImage,
            sweeps: [Sweep.command(endpoint, settings.instanceName, directory.path)],
            prepare: { try await prepare($0.image, runtime) })
        do {
            for template in settings.configuration.templates(standardImage: standardImage) {
                try await choice.prepare(template)
            }
        } catch {
            await runtime.shutdown()
            throw error
        }
        return choice
    }

    private static func prepare(_ image: String, _ runtime: DockerRuntime) async throws {
        guard !PoolSettings.isHostFiles(image) else {
            throw RuntimeError(
                .invalidConfiguration, "the image \(image) is the host's own files, which the runtime runc alone has")
        }
        let probe = await runtime.probe(image: image)
        if let problem = probe.problem { throw problem }
        if !probe.isUsable {
            throw RuntimeError(.imageMissing, probe.advice(image: image) ?? "image \(image) is not to be had")
        }
        if probe.image != .present { try await runtime.pull(image) }
    }

    private static func runc(
        _ settings: ServerSettings, agent: String, directory: StateDirectory
    ) async throws -> RuntimeChoice {
        let runtime = try RuncRuntime(
            runcPath: nil, instance: settings.instanceName, agentPath: agent, stateDirectory: directory.path,
            logger: settings.logger)
        var choice = RuntimeChoice(
            runtime: runtime, image: "host", runc: RuncProbe().runtimePath, prepare: { try await runtime.prepare($0) })
        choice.memory = { [HostMemory.available(), runtime.memoryLeft()].compactMap(\.self).min() }
        do {
            for template in settings.configuration.templates(standardImage: choice.image) {
                try await choice.prepare(template)
            }
        } catch {
            await runtime.shutdown()
            throw error
        }
        return choice
    }

    private static func images(_ settings: ServerSettings, _ choice: RuntimeChoice) -> String {
        let templates = settings.configuration.templates(standardImage: choice.image)
        return Set(templates.map(\.image)).sorted().joined(separator: ", ")
    }

    static func endpoint(_ given: String?) throws -> DockerEndpoint {
        if let given { return try DockerEndpoint(given) }
        var environment: [String: String] = [:]
        for name in ["DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"] {
            if let value = getenv(name) { environment[name] = String(cString: value) }
        }
        return try DockerEndpoint.fromEnvironment(environment)
    }
}
