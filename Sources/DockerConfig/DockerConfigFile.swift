// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Pool

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// What Docker's own client is configured with, as `docker login` and `docker context` leave it: `~/.docker`. Read anew
/// each time, since a log-in may come while a server runs.
package struct DockerConfigFile: Sendable, Equatable {
    /// The directory of `config.json`; nil: there is none to look in.
    package var directory: String?

    /// Nothing is configured.
    package static let none = DockerConfigFile(directory: nil)

    package init(directory: String?) { self.directory = directory }

    /// - Parameter environment: `DOCKER_CONFIG` names the directory, else it is below `HOME`.
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

    /// The file's content; empty when there is no file.
    /// - Throws: `invalidConfiguration` when it is there and can't be read.
    func file() throws(RuntimeError) -> File {
        guard let path = directory.map({ "\($0)/config.json" }) else { return File() }
        guard let bytes = try Self.read(path) else { return File() }
        do {
            return try JSONDecoder().decode(File.self, from: Data(bytes))
        } catch {
            throw RuntimeError(
                .invalidConfiguration, "\(path) can't be read: it is not what docker writes (JSON); mend or move it")
        }
    }

    /// The content of a file of at most a mebibyte; nil when it is not there.
    static func read(_ path: String) throws(RuntimeError) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            // Of another user, as with sudo -u: as if it were not there.
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
