// SPDX-License-Identifier: Apache-2.0

import Configuration
import Docker
import DockerConfig
import Embedded
import Housekeeping
import Logging
import Native
import Pool
import Runc

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The runtime of a server, the default image of its pools, and what its janitor needs.
struct RuntimeChoice {
    static let standardImage = "python:3.9-slim"

    var runtime: any ContainerRuntime
    /// The same, if its members can go over to another program.
    var embedded: (any EmbeddedRuntime)?
    var image: String
    /// The containers that the janitor removes itself; nil with Docker.
    var containers: Janitor.Containers?
    /// Commands with which the janitor removes what an ended server has left in an engine.
    var sweeps: [[String]] = []
    /// Prepares what members of this template need, above all the image: before the first create, since the time-out of
    /// a create does not allow for a pull. Returns the template with the image that its reference stands for now.
    var prepare: @Sendable (MemberTemplate) async throws -> MemberTemplate = { $0 }
    /// Bytes of memory that are available for members; nil if unknown.
    var memory: @Sendable () -> Int64? = HostMemory.available
    /// The limits that can't be held, and with which the server goes without them.
    var unheldLimits: [String] = []
    /// The prepared templates of the pools.
    var resolved = ResolvedTemplates()

    /// - Throws: `Failure` or `RuntimeError` that says what is missing and how to fix it.
    static func make(
        _ settings: ServerSettings, agent: String, directory: StateDirectory
    ) async throws -> RuntimeChoice {
        switch settings.configuration.runtime {
        case .native:
            return try await native(settings, agent, directory)
        case .runc:
            return try await runc(settings, agent, directory)
        case .docker:
            return try await engine(settings, EngineSearch(settings.configuration.dockerHost), agent, directory)
        case .podman:
            return try await engine(
                settings, EngineSearch(podman: settings.configuration.dockerHost), agent, directory)
        case .kubernetes:
            return try await kubernetes(settings)
        case .auto:
            return try await auto(settings, agent: agent, directory: directory)
        }
    }

    /// Chooses Docker if it answers and has the image or can pull it, else native if the kernel allows it, else runc, and
    /// logs why.
    private static func auto(
        _ settings: ServerSettings, agent: String, directory: StateDirectory
    ) async throws -> RuntimeChoice {
        var against: [RuntimeError] = []
        if let image = settings.configuration.pools.lazy.compactMap(\.image).first(where: PoolSettings.isHostFiles) {
            against.append(RuntimeError(.failed, hostFiles(image).message))
        } else {
            do {
                let search = try EngineSearch(settings.configuration.dockerHost)
                let choice = try await engine(settings, search, agent, directory)
                settings.logger.notice(
                    "using Docker",
                    metadata: ["runtime.reason": "it answers and has the image \(images(settings, choice))"])
                return choice
            } catch let error as RuntimeError {
                against.append(error)
            }
        }
        for (name, make) in [("native", native), ("runc", runc)] {
            do {
                let choice = try await make(settings, agent, directory)
                settings.logger.notice(
                    "using the embedded runtime, \(name)",
                    metadata: [
                        "runtime.reason": "\(against.map(\.message).joined(separator: "; "))",
                        "pool.image": "\(images(settings, choice))",
                    ])
                return choice
            } catch let error as RuntimeError {
                against.append(error)
            }
        }
        throw Failure(
            "no runtime can be used, neither Docker nor native nor runc: "
                + "\(against.map(\.message).joined(separator: "; ")); see: berth doctor",
            code: against.allSatisfy { $0.cause == .invalidConfiguration } ? 2 : 1)
    }

    /// Members as containers of an engine, Docker or Podman.
    private static func engine(
        _ settings: ServerSettings, _ search: EngineSearch, _ agent: String, _ directory: StateDirectory
    ) async throws -> RuntimeChoice {
        let configuration = settings.configuration
        let templates = configuration.templates(standardImage: standardImage)
        for template in templates where PoolSettings.isHostFiles(template.image) {
            throw hostFiles(template.image)
        }
        let engines = await search.run(image: templates.first?.image ?? standardImage)
        guard let endpoint = engines.found else { throw engines.problem(image: templates.first?.image) }
        let runtime = try DockerRuntime(
            endpoint: endpoint, kind: search.kind, instance: settings.instanceName, agentPath: agent,
            stateDirectory: directory.path, config: EngineSearch.config, logger: settings.logger)
        let choice = RuntimeChoice(
            runtime: runtime, image: standardImage,
            sweeps: [Sweep.command(endpoint, settings.instanceName, directory.path)],
            prepare: { template in
                // A reload may bring such an image.
                if PoolSettings.isHostFiles(template.image) { throw hostFiles(template.image) }
                return try await runtime.prepare(template)
            })
        return try await choice.resolving(templates)
    }

    private static func hostFiles(_ image: String) -> RuntimeError {
        RuntimeError(
            .invalidConfiguration, "the image \(image) means the host's own files, which an engine can't use")
    }

    private static func runc(
        _ settings: ServerSettings, _ agent: String, _ directory: StateDirectory
    ) async throws -> RuntimeChoice {
        try await embedded(
            try RuncRuntime(
                runcPath: nil, instance: settings.instanceName, agentPath: agent, stateDirectory: directory.path,
                logins: EngineSearch.config, limits: settings.limitPolicy, logger: settings.logger), settings)
    }

    private static func native(
        _ settings: ServerSettings, _ agent: String, _ directory: StateDirectory
    ) async throws -> RuntimeChoice {
        guard let launcher = LauncherBinary.find(agent: agent) else {
            throw RuntimeError(
                .runtimeUnreachable,
                "berth-launcher, which makes the containers of the runtime native, is not beside \(agent)")
        }
        return try await embedded(
            try NativeRuntime(
                launcherPath: launcher, instance: settings.instanceName, agentPath: agent,
                stateDirectory: directory.path, logins: EngineSearch.config, limits: settings.limitPolicy,
                logger: settings.logger), settings)
    }

    private static func embedded(
        _ runtime: some EmbeddedRuntime, _ settings: ServerSettings
    ) async throws -> RuntimeChoice {
        var choice = RuntimeChoice(
            runtime: runtime, image: "host", containers: runtime.containers, prepare: { try await runtime.prepare($0) })
        choice.unheldLimits = runtime.cgroups.unheld
        choice.embedded = runtime
        choice.memory = { [HostMemory.available(), runtime.memoryLeft()].compactMap(\.self).min() }
        return try await choice.resolving(
            settings.configuration.templates(standardImage: choice.image), known: settings.knownTemplates)
    }

    /// Prepares all templates. If that fails, the runtime is shut down.
    /// - Parameter known: what the program before has prepared. Callers wait, so what it takes is made with the next container.
    func resolving(_ templates: [MemberTemplate], known: [MemberTemplate] = []) async throws -> RuntimeChoice {
        var choice = self
        do {
            for template in templates {
                let same = known.first { known in
                    var configured = known
                    configured.imageIdentity = template.imageIdentity
                    return configured == template
                }
                if let same {
                    choice.resolved[template] = same
                } else {
                    choice.resolved[template] = try await prepare(template)
                }
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
}

/// Configured templates, each with the image that its reference stood for when it was last looked up.
struct ResolvedTemplates: Sendable {
    private var pairs: [(configured: MemberTemplate, resolved: MemberTemplate)] = []

    subscript(_ template: MemberTemplate) -> MemberTemplate? {
        get { pairs.first { $0.configured == template }?.resolved }
        set {
            pairs.removeAll { $0.configured == template }
            if let newValue { pairs.append((template, newValue)) }
        }
    }

    /// The same configuration with the resolved images.
    func applied(to fleet: FleetConfiguration) -> FleetConfiguration {
        var fleet = fleet
        for index in fleet.pools.indices {
            if let resolved = self[fleet.pools[index].template] { fleet.pools[index].template = resolved }
        }
        return fleet
    }
}
