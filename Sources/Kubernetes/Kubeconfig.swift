// SPDX-License-Identifier: Apache-2.0

internal import CurlHTTP
internal import FoundationEssentials
internal import Pool
internal import Yams

/// A kubeconfig file: what is used of it. What would change who is asked or how, and is not understood, is refused by name.
struct Kubeconfig: Decodable {
    struct Named<Value: Decodable>: Decodable {
        var name: String
        var value: Value

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: AnyKey.self)
            name = try container.decode(String.self, forKey: AnyKey("name"))
            guard let key = container.allKeys.first(where: { $0.stringValue != "name" }) else {
                throw DecodingError.dataCorrupted(
                    .init(codingPath: decoder.codingPath, debugDescription: "\(name) has no content"))
            }
            value = try container.decode(Value.self, forKey: key)
        }
    }

    struct AnyKey: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(_ text: String) { stringValue = text }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    struct Cluster: Decodable {
        var server: String
        var authorities: String?
        var authoritiesData: String?
        var isUnverified: Bool?
        var serverName: String?
        var proxy: String?

        enum CodingKeys: String, CodingKey {
            case server
            case authorities = "certificate-authority"
            case authoritiesData = "certificate-authority-data"
            case isUnverified = "insecure-skip-tls-verify"
            case serverName = "tls-server-name"
            case proxy = "proxy-url"
        }
    }

    struct User: Decodable {
        struct Program: Decodable { var command: String? }
        struct Provider: Decodable { var name: String? }
        var certificate: String?
        var certificateData: String?
        var key: String?
        var keyData: String?
        var token: String?
        var tokenFile: String?
        var username: String?
        var exec: Program?
        var provider: Provider?
        var impersonated: String?

        enum CodingKeys: String, CodingKey {
            case certificate = "client-certificate"
            case certificateData = "client-certificate-data"
            case key = "client-key"
            case keyData = "client-key-data"
            case token, tokenFile, username, exec
            case provider = "auth-provider"
            case impersonated = "as"
        }
    }

    struct Context: Decodable {
        var cluster: String
        var user: String?
        var namespace: String?
    }

    var current: String?
    var clusters: [Named<Cluster>]?
    var users: [Named<User>]?
    var contexts: [Named<Context>]?

    enum CodingKeys: String, CodingKey {
        case current = "current-context"
        case clusters, users, contexts
    }

    static func read(_ path: String) throws(RuntimeError) -> ClusterAccess {
        let text = try ClusterAccess.text(path)
        let file: Kubeconfig
        do {
            file = try YAMLDecoder().decode(Kubeconfig.self, from: text)
        } catch {
            throw RuntimeError(.invalidConfiguration, "\(path) is not a kubeconfig: \(Self.line("\(error)"))")
        }
        do throws(RuntimeError) {
            return try file.access(path)
        } catch {
            throw RuntimeError(error.cause, "\(path): \(error.message)")
        }
    }

    private static func line(_ text: String) -> String {
        String(text.split(whereSeparator: \.isNewline).joined(separator: " ").prefix(300))
    }

    private func access(_ path: String) throws(RuntimeError) -> ClusterAccess {
        guard let current, let context = contexts?.first(where: { $0.name == current })?.value else {
            throw Self.mistake("current-context is not one of its contexts")
        }
        guard let cluster = clusters?.first(where: { $0.name == context.cluster })?.value else {
            throw Self.mistake("there is no cluster \(context.cluster)")
        }
        var user: User?
        if let name = context.user, !name.isEmpty {
            guard let found = users?.first(where: { $0.name == name })?.value else {
                throw Self.mistake("there is no user \(name)")
            }
            user = found
            try Self.refuseForeign(found, name)
        }
        for (name, value) in [("proxy-url", cluster.proxy), ("tls-server-name", cluster.serverName)]
        where value?.isEmpty == false {
            throw Self.mistake("\(name) is not supported")
        }
        let directory = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        var files: [MemoryFile] = []
        /// A path, also of what the file holds itself.
        func place(_ name: String?, _ data: String?, _ what: String) throws(RuntimeError) -> String? {
            if let data, !data.isEmpty {
                guard let bytes = Data(base64Encoded: data) else { throw Self.mistake("\(what)-data is not base64") }
                let file = try MemoryFile(Array(bytes))
                files.append(file)
                return file.path
            }
            guard let name, !name.isEmpty else { return nil }
            return name.hasPrefix("/") || path == name || directory.isEmpty ? name : "\(directory)/\(name)"
        }
        let url = try ServerURL(cluster.server)
        var tls: HTTPTLS?
        if url.isEncrypted {
            tls = HTTPTLS(
                authorities: try place(cluster.authorities, cluster.authoritiesData, "certificate-authority"),
                certificate: try place(user?.certificate, user?.certificateData, "client-certificate"),
                key: try place(user?.key, user?.keyData, "client-key"), verifies: cluster.isUnverified != true)
        }
        let tokenFile = try place(user?.tokenFile, nil, "tokenFile")
        // As kubectl: a file wins, since its token may be renewed.
        let credential: ClusterAccess.Credential =
            tokenFile.map { .tokenFile($0) } ?? user?.token.map { .token($0) } ?? .none
        return ClusterAccess(
            endpoint: .tcp(host: url.host, port: url.port, tls: tls), basePath: url.path, credential: credential,
            namespace: context.namespace, path: path, files: files)
    }

    private static func refuseForeign(_ user: User, _ name: String) throws(RuntimeError) {
        let advice =
            "which Berth does not use: make a service account with the rights of docs/kubernetes.md, and use its token"
        if let exec = user.exec {
            throw mistake("the user \(name) gets credentials from the program \(exec.command ?? "?") (exec), \(advice)")
        }
        if let provider = user.provider {
            throw mistake("the user \(name) has the auth-provider \(provider.name ?? "?"), \(advice)")
        }
        if user.username != nil { throw mistake("the user \(name) has a password, \(advice)") }
        if user.impersonated != nil { throw mistake("the user \(name) acts as another one, \(advice)") }
    }

    private static func mistake(_ message: String) -> RuntimeError { RuntimeError(.invalidConfiguration, message) }
}

/// "https://HOST[:PORT][/PATH]"
struct ServerURL {
    var isEncrypted: Bool
    var host: String
    var port: Int
    /// Without a slash at its end.
    var path: String

    init(_ text: String) throws(RuntimeError) {
        let mistake = RuntimeError(.invalidConfiguration, "server \(text) is not https://HOST:PORT")
        let rest: Substring
        if text.hasPrefix("https://") {
            (isEncrypted, rest) = (true, text.dropFirst("https://".count))
        } else if text.hasPrefix("http://") {
            (isEncrypted, rest) = (false, text.dropFirst("http://".count))
        } else {
            throw mistake
        }
        let authority = rest.prefix { $0 != "/" }
        path = String(rest.dropFirst(authority.count))
        while path.last == "/" { path.removeLast() }
        var name = authority
        port = isEncrypted ? 443 : 80
        if let colon = authority.lastIndex(of: ":"), !authority[colon...].contains("]") {
            guard let number = Int(authority[authority.index(after: colon)...]), (1...65535).contains(number) else {
                throw mistake
            }
            (name, port) = (authority[..<colon], number)
        }
        if name.hasPrefix("["), name.hasSuffix("]") { name = name.dropFirst().dropLast() }
        guard !name.isEmpty, !authority.contains("@") else { throw mistake }
        host = String(name)
        guard isEncrypted || host == "localhost" || host == "::1" || host.hasPrefix("127.") else {
            throw RuntimeError(
                .invalidConfiguration,
                "server \(text): over plain HTTP everybody on the way could read credentials and code")
        }
    }
}
