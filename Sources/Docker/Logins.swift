// SPDX-License-Identifier: Apache-2.0

internal import DockerConfig
@preconcurrency internal import Dispatch
internal import Logging
internal import Pool
internal import Synchronization

/// Logins of Docker's client, in the form that an engine takes for a pull.
struct Logins: Sendable {
    private let config: DockerConfigFile
    private let logger: Logger?

    /// - Parameter logger: gets messages about logins that cannot be read, if not nil.
    init(_ config: DockerConfigFile, _ logger: Logger?) {
        self.config = config
        self.logger = logger
    }

    /// Headers of a request for which the engine asks a registry. Without a login, or if it cannot be read, the registry decides.
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
