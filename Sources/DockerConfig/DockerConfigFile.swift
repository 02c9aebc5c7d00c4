// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Pool

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The configuration of Docker's own client in `~/.docker`, as `docker login` and `docker context` write it. It is read
/// each time, since a login may be added while a server runs.
package struct DockerConfigFile: Sendable, Equatable {
    /// The directory of `config.json`; nil if there is none.
    package var directory: String?

    /// An empty configuration.
    package static let none = DockerConfigFile(directory: nil)

    package init(directory: String?) { self.directory = directory }

    /// - Parameter environment: `DOCKER_CONFIG` is the directory; otherwise it is `.docker` in `HOME`.
    package init(environment: [String: String]) {
        if let named = environment["DOCKER_CONFIG"], !named.isEmpty {
            directory = named
        } else {
            directory = environment["HOME"].flatMap { $0.isEmpty ? nil : "\($0)/.docker" }
        }
    }

    struct File: Decodable {
        struct Login: Decodable {
            var auth: String?
            var username: String?
            var password: String?
            var identitytoken: String?
            var registrytoken: String?
        }
        var auths: [String: Login]?
        var credsStore: String?
        var credHelpers: [String: String]?
        var currentContext: String?
    }

    /// The content of the file; empty if there is no file.
    /// - Throws: `invalidConfiguration` if it exists but can't be understood.
    func file() throws(RuntimeError) -> File {
        guard let path = directory.map({ "\($0)/config.json" }) else { return File() }
        guard let bytes = try Self.read(path) else { return File() }
        do {
            return try JSONDecoder().decode(File.self, from: Data(bytes))
        } catch {
            throw RuntimeError(
                .invalidConfiguration, "\(path) can't be read: it is not what docker writes (JSON); fix or move it")
        }
    }

    /// The content of a file of at most 1 MiB; nil if it does not exist or belongs to another user.
    static func read(_ path: String) throws(RuntimeError) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            // A file of another user, for example with sudo -u, counts as missing.
            if errno == ENOENT || errno == ENOTDIR || errno == EACCES { return nil }
            throw RuntimeError(.invalidConfiguration, "\(path) can't be read: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 14)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count == 0 { return content }
            guard count > 0, content.count + count <= 1 << 20 else {
                throw RuntimeError(.invalidConfiguration, "\(path) can't be read, or is larger than a mebibyte")
            }
            content += chunk.prefix(count)
        }
    }
}
