// SPDX-License-Identifier: Apache-2.0

internal import CHost
internal import FoundationEssentials
package import Pool

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The login for a registry.
package struct RegistryLogin: Sendable, Equatable {
    /// The name that `docker login` uses: the host with its port, or the address of Docker Hub.
    package var registry: String
    package var username: String
    package var password: String
    /// Replaces the password, for registries that issue such tokens.
    package var identityToken: String?
    package var registryToken: String?

    /// The value of `X-Registry-Auth`.
    package var header: String {
        struct Body: Encodable {
            var username: String?
            var password: String?
            var identitytoken: String?
            var registrytoken: String?
            var serveraddress: String
        }
        let isToken = identityToken != nil
        let body = Body(
            username: username.isEmpty ? nil : username, password: isToken || password.isEmpty ? nil : password,
            identitytoken: identityToken, registrytoken: registryToken, serveraddress: registry)
        let text = ((try? JSONEncoder().encode(body)) ?? Data()).base64EncodedString()
        return text.replacing("+", with: "-").replacing("/", with: "_")
    }

    /// The login as a file for `--src-authfile` of skopeo.
    package var authenticationFile: [UInt8] {
        struct Entry: Encodable {
            var auth: String
            var identitytoken: String?
        }
        let host = DockerConfigFile.host(registry)
        let key = host == DockerConfigFile.host(DockerConfigFile.hub) ? "docker.io" : host
        let words = Data("\(username):\(identityToken == nil ? password : "")".utf8)
        let file = ["auths": [key: Entry(auth: words.base64EncodedString(), identitytoken: identityToken)]]
        return Array((try? JSONEncoder().encode(file)) ?? Data())
    }
}

extension DockerConfigFile {
    /// The name that `docker login` uses for Docker Hub.
    static let hub = "https://index.docker.io/v1/"
    /// Time-out of a credential helper in seconds. It may ask a key ring, or a cloud.
    private static let helperSeconds: Int32 = 30

    /// The registry of an image reference, with the name that `docker login` uses.
    package static func registry(of reference: String) -> String {
        let name = reference.hasPrefix("docker://") ? reference.dropFirst("docker://".count) : reference[...]
        guard let slash = name.firstIndex(of: "/") else { return hub }
        let first = name[..<slash]
        guard first.contains(".") || first.contains(":") || first == "localhost" else { return hub }
        return first == "docker.io" || first == "index.docker.io" ? hub : String(first)
    }

    /// The host of a registry that may be written as a URL: "registry:5000" for "https://registry:5000/v2/".
    static func host(_ registry: String) -> String {
        var rest = registry[...]
        for scheme in ["https://", "http://"] where rest.hasPrefix(scheme) { rest = rest.dropFirst(scheme.count) }
        return String(rest.prefix { $0 != "/" })
    }

    /// The login for the registry of an image; nil if there is none. It may run a credential helper, so it can block
    /// for seconds.
    /// - Throws: `invalidConfiguration` for a file that can't be understood, `failed` if a helper fails.
    package func login(forImage reference: String) throws(RuntimeError) -> RegistryLogin? {
        let registry = Self.registry(of: reference)
        let file = try file()
        let wanted = Self.host(registry)
        let special = file.credHelpers?.first { Self.host($0.key) == wanted }?.value
        if let helper = special ?? file.credsStore, !helper.isEmpty,
            let login = try Self.ask(helper, registry)
        {
            return login
        }
        let auths = file.auths ?? [:]
        guard let entry = auths[registry] ?? auths.first(where: { Self.host($0.key) == wanted })?.value else {
            return nil
        }
        return try Self.login(entry, registry)
    }

    private static func login(_ entry: File.Login, _ registry: String) throws(RuntimeError) -> RegistryLogin? {
        var login = RegistryLogin(
            registry: registry, username: entry.username ?? "", password: entry.password ?? "",
            identityToken: entry.identitytoken.flatMap { $0.isEmpty ? nil : $0 }, registryToken: entry.registrytoken)
        if let auth = entry.auth, !auth.isEmpty {
            guard let bytes = Data(base64Encoded: auth),
                let colon = bytes.firstIndex(of: UInt8(ascii: ":"))
            else {
                throw RuntimeError(
                    .invalidConfiguration, "the log-in for \(registry) can't be read: docker login \(host(registry))")
            }
            login.username = String(decoding: bytes[..<colon], as: UTF8.self)
            login.password = String(decoding: bytes[(colon + 1)...].filter { $0 != 0 }, as: UTF8.self)
        }
        let isEmpty = login.username.isEmpty && login.identityToken == nil && login.registryToken == nil
        return isEmpty ? nil : login
    }

    /// Asks `docker-credential-<helper>`; nil if it has no login.
    private static func ask(_ helper: String, _ registry: String) throws(RuntimeError) -> RegistryLogin? {
        struct Answer: Decodable {
            var Username: String
            var Secret: String
        }
        let program = "docker-credential-\(helper)"
        let isName = helper.utf8.allSatisfy { $0 != UInt8(ascii: "/") && $0 != 0 }
        guard isName else { throw RuntimeError(.invalidConfiguration, "\(program) is not a credential helper's name") }
        let (status, output) = try run(program, ["get"], input: registry)
        guard status == 0 else {
            // The message of Docker's own helpers.
            if output.contains("credentials not found") { return nil }
            let line = output.split(whereSeparator: \.isNewline).last.map(String.init) ?? "no message"
            throw RuntimeError(.failed, "\(program) gives no log-in for \(host(registry)): \(line)")
        }
        guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(output.utf8)) else {
            throw RuntimeError(
                .failed, "\(program) gives no log-in for \(host(registry)): its answer is not understood")
        }
        let isToken = answer.Username == "<token>"
        return RegistryLogin(
            registry: registry, username: isToken ? "" : answer.Username, password: isToken ? "" : answer.Secret,
            identityToken: isToken ? answer.Secret : nil)
    }

    /// Runs a program, which is searched in PATH, and waits for its end. It gets the environment of this process.
    private static func run(
        _ program: String, _ arguments: [String], input: String
    ) throws(RuntimeError) -> (status: Int32, output: String) {
        let (stdin, stdout) = (berth_memory_file(), berth_memory_file())
        defer { for descriptor in [stdin, stdout] where descriptor >= 0 { close(descriptor) } }
        let bytes = Array("\(input)\n".utf8)
        guard stdin >= 0, stdout >= 0, write(stdin, bytes, bytes.count) == bytes.count, lseek(stdin, 0, SEEK_SET) == 0
        else { throw RuntimeError(.failed, "memfd_create: \(String(cString: strerror(errno)))") }
        var argv = (["/usr/bin/env", program] + arguments).map { strdup($0) } + [nil]
        defer { for pointer in argv { free(pointer) } }
        let pid = berth_spawn(&argv, environ, stdin, stdout, stdout, -1)
        guard pid > 0 else {
            throw RuntimeError(.failed, "\(program) can't be run: \(String(cString: strerror(-pid)))")
        }
        var status: Int32 = 0
        let ended = berth_wait(pid, -1, helperSeconds * 1000, &status)
        guard ended == 0 else {
            throw RuntimeError(.failed, "\(program) did not end within \(helperSeconds) s")
        }
        var content = [UInt8](repeating: 0, count: 1 << 16)
        let count = max(0, pread(stdout, &content, content.count, 0))
        return (status, String(decoding: content.prefix(count), as: UTF8.self))
    }
}
