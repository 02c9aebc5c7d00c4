// SPDX-License-Identifier: Apache-2.0

internal import DockerConfig
@preconcurrency internal import Dispatch
internal import Logging
internal import Pool
internal import Synchronization

/// What Docker's client is logged in with, as an engine takes it for a pull.
struct Logins: Sendable {
    private let config: DockerConfigFile
    private let logger: Logger?

    /// - Parameter logger: hears of log-ins that can't be read; nil: nobody does.
    init(_ config: DockerConfigFile, _ logger: Logger?) {
        self.config = config
        self.logger = logger
    }

    /// Of a request that makes the engine ask a registry. Without a log-in the registry decides; so it does when the one
    /// there is can't be had.
    func headers(_ reference: String) async -> [(name: String, value: String)] {
        let found: Result<RegistryLogin?, RuntimeError> = await withCheckedContinuation { continuation in
            // A credential helper may take seconds.
            DispatchQueue.global().async { [config] in
                do throws(RuntimeError) {
                    continuation.resume(returning: .success(try config.login(forImage: reference)))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        switch found {
        case .success(let login): return login.map { [("X-Registry-Auth", $0.header)] } ?? []
        case .failure(let error):
            logger?.warning(
                "no log-in for the image's registry",
                metadata: ["image": "\(reference)", "error": "\(error.message)"])
            return []
        }
    }
}
