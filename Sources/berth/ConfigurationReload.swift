import Configuration
import Dispatch
import Logging
import Pool
import Service

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Takes the configuration file on again at each SIGHUP, whole or not at all.
struct ConfigurationReload {
    let source: ConfigurationSource
    let pool: Pool
    let service: PoolServiceHandler
    let choice: RuntimeChoice
    /// Of a configuration that does not say.
    let memoryBudgetBytes: Int64
    let logger: Logger

    /// Until its task is cancelled.
    /// - Parameter current: what the server was started with.
    func run(_ signals: AsyncStream<Void>, _ current: ServerConfiguration) async {
        var current = current
        for await _ in signals {
            if let new = await load(current) { current = new }
        }
    }

    /// - Returns: the configuration now in force; nil: the old one stays.
    private func load(_ current: ServerConfiguration) async -> ServerConfiguration? {
        let (read, warnings): (ServerConfiguration, [ConfigurationIssue])
        do {
            (read, warnings) = try source.read()
            // An image that is not to be had would open the breaker of its pool.
            let known = current.templates(standardImage: choice.image)
            for template in read.templates(standardImage: choice.image) where !known.contains(template) {
                try await choice.prepare(template)
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
        let new = current.reloaded(read)
        pool.reload(new.fleetConfiguration(image: choice.image, memoryBudgetBytes: memoryBudgetBytes))
        service.setPrograms(new.programDefaults)
        logger.notice(
            "the configuration is reloaded",
            metadata: ["config.pools": "\(new.pools.map(\.pool.name).joined(separator: ","))"])
        return new
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

/// SIGHUP. Several before the first is looked at are one.
struct HangupSignals {
    let stream: AsyncStream<Void>
    private let source: any DispatchSourceSignal

    init() {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.stream = stream
        signal(SIGHUP, SIG_IGN)
        source = DispatchSource.makeSignalSource(signal: SIGHUP)
        source.setEventHandler { continuation.yield() }
        source.resume()
    }
}

extension ServerConfiguration {
    /// What programs get that do not say otherwise, by the names of their pools.
    var programDefaults: [String: ProgramDefaults] {
        Dictionary(
            pools.map { settings in
                let programs = settings.programs
                return (
                    settings.pool.name,
                    ProgramDefaults(
                        env: programs.env, cwd: programs.cwd ?? settings.home, home: settings.home, uid: programs.uid,
                        allowedUIDs: programs.allowedUIDs, languages: programs.languages)
                )
            }, uniquingKeysWith: { first, _ in first })
    }
}
