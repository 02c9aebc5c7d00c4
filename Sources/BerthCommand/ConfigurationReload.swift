// SPDX-License-Identifier: Apache-2.0

import Configuration
import Housekeeping
import Logging
import Pool
import Service

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Reloads the configuration file at each SIGHUP, completely or not at all.
struct ConfigurationReload {
    let source: ConfigurationSource
    let fleet: Fleet
    let service: PoolServiceHandler
    let choice: RuntimeChoice
    let upkeep: Upkeep
    /// Memory budget used when the configuration sets none.
    let memoryBudgetBytes: Int64
    let logger: Logger
    let manager: ServiceManager?
    /// What the manager shows of a server that is ready.
    let status: String
    let takeover: ServerTakeover

    /// Runs until the task is cancelled.
    /// - Parameter current: the configuration that the server was started with.
    func run(_ signals: AsyncStream<Void>, _ current: ServerConfiguration) async {
        var current = current
        var resolved = choice.resolved
        for await _ in signals {
            manager?.tellReloading()
            defer { manager?.tellReady(status) }
            await takeover.runIfDue()
            upkeep.reload()
            if source.file == nil {
                // Flags do not change, but the image that a name stands for may.
                logger.notice(
                    "told to reload, but the server was started without a configuration file: only its images are checked again"
                )
            }
            if let new = await load(current, &resolved) { current = new }
        }
    }

    /// - Returns: the new configuration; nil if the old one stays in force.
    private func load(
        _ current: ServerConfiguration, _ resolved: inout ResolvedTemplates
    ) async -> ServerConfiguration? {
        var prepared = ResolvedTemplates()
        let (read, warnings): (ServerConfiguration, [ConfigurationIssue])
        do {
            (read, warnings) = try source.read()
            // Checked now, since an image that can't be pulled would open the breaker of its pool.
            let known = current.templates(standardImage: choice.image)
            for template in read.templates(standardImage: choice.image) {
                do {
                    prepared[template] = try await choice.prepare(template)
                } catch let error as RuntimeError where known.contains(template) {
                    // The image worked before, so its pool keeps it.
                    prepared[template] = resolved[template]
                    logger.warning(
                        "an image could not be checked again, its pools keep the present one",
                        metadata: ["image": "\(template.image)", "error": "\(error.message)"])
                }
            }
        } catch {
            for reason in reasons(error) {
                logger.error("the configuration has a mistake", metadata: ["config.at": "\(reason)"])
            }
            logger.error("the configuration is not reloaded, the old one stays")
            return nil
        }
        guard !Task.isCancelled else { return nil }
        for warning in warnings { logger.warning("a setting has no effect", metadata: ["config.at": "\(warning)"]) }
        for setting in read.changesThatNeedRestart(from: current) {
            logger.warning(
                "a setting has changed that counts only after a restart", metadata: ["config.key": "\(setting.key)"])
        }
        tellOfNewImages(prepared, resolved, read)
        resolved = prepared
        let new = current.reloaded(read)
        fleet.reload(
            resolved.applied(to: new.fleetConfiguration(image: choice.image, memoryBudgetBytes: memoryBudgetBytes)))
        service.setPrograms(new.programDefaults)
        upkeep.reload(new)
        logger.notice(
            "the configuration is reloaded",
            metadata: ["config.pools": "\(new.pools.map(\.pool.name).joined(separator: ","))"])
        return new
    }

    private func tellOfNewImages(_ new: ResolvedTemplates, _ old: ResolvedTemplates, _ read: ServerConfiguration) {
        for template in read.templates(standardImage: choice.image) {
            guard let before = old[template]?.imageIdentity, let now = new[template]?.imageIdentity, before != now
            else {
                continue
            }
            logger.notice(
                "an image's tag means another image now, its pools exchange their containers",
                metadata: ["image": "\(template.image)", "image.was": "\(before)", "image.is": "\(now)"])
        }
    }

    private func reasons(_ error: any Error) -> [String] {
        switch error {
        case let error as ConfigurationMistakes: error.issues.map(\.description)
        case let error as RuntimeError: [error.message]
        case let error as Failure: [error.message]
        default: ["\(error)"]
        }
    }
}

/// A stream of SIGHUPs. Those that arrive before one is handled count as one.
struct HangupSignals {
    let stream: AsyncStream<Void>

    init() {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.stream = stream
        onSignals([SIGHUP]) { _ in continuation.yield() }
    }
}

extension ServerConfiguration {
    /// Defaults of programs by pool.
    var programDefaults: [String: ProgramDefaults] {
        Dictionary(
            pools.map { settings in
                let programs = settings.programs
                var defaults = ProgramDefaults(
                    env: programs.env, cwd: programs.cwd ?? settings.home, home: settings.home,
                    uid: programs.uid ?? uid,
                    allowedUIDs: programs.allowedUIDs, languages: programs.allLanguages)
                defaults.warmLanguages = Set(programs.interpreters.keys)
                return (settings.pool.name, defaults)
            }, uniquingKeysWith: { first, _ in first })
    }
}
