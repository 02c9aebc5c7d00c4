// SPDX-License-Identifier: Apache-2.0

internal import CHost

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// A real registry for one test, on a port of loopback: `docker-registry` with its own directory, which may require a
/// login. Images are made with `umoci`, small and different from each other.
package final class LoopbackRegistry: Sendable {
    /// "127.0.0.1:PORT"
    package let address: String
    private let directory: String
    private let pid: pid_t
    private let login: String?

    package static let user = "berth"
    package static let password = "secret"
    // From `htpasswd -nbB berth secret`.
    private static let passwords = "berth:$2y$05$l32nzf2GhEZ2ZtFUhmeY9e0.5Cc2nOUvRy59luDO4ie.16BH6b44S\n"

    private init(_ address: String, _ directory: String, _ pid: pid_t, _ login: String?) {
        self.address = address
        self.directory = directory
        self.pid = pid
        self.login = login
    }

    /// - Parameter asksForLogin: whether it requires a login as `user` with `password`.
    package static func with(asksForLogin: Bool = false, _ body: (LoopbackRegistry) async throws -> Void) async throws {
        var template = Array("/tmp/berth-registry-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw MissingPart("a directory in /tmp") }
        let directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let address = "127.0.0.1:\(try freePort())"
        var configuration = """
            version: 0.1
            log: {level: error}
            storage: {filesystem: {rootdirectory: \(directory)/data}}
            http: {addr: "\(address)", secret: berth}

            """
        if asksForLogin {
            configuration += "auth: {htpasswd: {realm: berth, path: \(directory)/passwords}}\n"
            try write("\(directory)/passwords", passwords)
        }
        try write("\(directory)/registry.yml", configuration)
        let pid = try spawn(["docker-registry", "serve", "\(directory)/registry.yml"])
        let registry = LoopbackRegistry(address, directory, pid, asksForLogin ? "\(user):\(password)" : nil)
        do {
            try await registry.prepare()
            try await body(registry)
        } catch {
            registry.stop()
            throw error
        }
        registry.stop()
    }

    /// Adds an image with the programs of busybox, which see `VERSION=version`.
    /// - Returns: its reference.
    @discardableResult
    package func push(_ name: String, version: String, architecture: String? = nil) throws -> String {
        let image = "\(directory)/oci:\(version)"
        let reference = "\(address)/\(name)"
        try run(["umoci", "tag", "--image", "\(directory)/oci:base", version])
        var configure = ["umoci", "config", "--image", image, "--config.env", "VERSION=\(version)"]
        if let architecture { configure += ["--architecture", architecture] }
        try run(configure)
        var copy = ["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]
        if let login { copy += ["--dest-creds", login] }
        try run(copy + ["oci:\(image)", "docker://\(reference)"])
        return reference
    }

    private func prepare() async throws {
        let (tree, oci) = ("\(directory)/tree", "\(directory)/oci")
        try run([
            "sh", "-c",
            "mkdir -p \(tree) && cp \"$(command -v busybox)\" \(tree)/busybox && "
                + "for name in sh ls cat env id true echo; do ln -s busybox \(tree)/$name; done",
        ])
        try run(["umoci", "init", "--layout", oci])
        try run(["umoci", "new", "--image", "\(oci):base"])
        try run(["umoci", "insert", "--image", "\(oci):base", tree, "/bin"])
        try await eventually("the registry answers") { (try? push("probe:1", version: "probe")) != nil }
    }

    private func run(_ arguments: [String]) throws {
        let pid = try Self.spawn(arguments)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        guard status == 0 else { throw NeverHappened(description: "\(arguments) succeeds: \(status)") }
    }

    private static func spawn(_ arguments: [String]) throws -> pid_t {
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        var argv = (["/usr/bin/env"] + arguments).map { strdup($0) } + [nil]
        let variables: [String] = [path, "HOME=/root", "OTEL_TRACES_EXPORTER=none"]
        var environment = variables.map { strdup($0) } + [nil]
        defer { for pointer in argv + environment { free(pointer) } }
        let pid = berth_spawn(&argv, &environment, -1, -1, -1, -1)
        guard pid > 0 else { throw MissingPart(arguments[0]) }
        return pid
    }

    private func stop() {
        kill(pid, SIGKILL)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        try? run(["rm", "-rf", directory])
    }

    private static func write(_ path: String, _ text: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw MissingPart(path) }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else { throw MissingPart(path) }
    }

    package static func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isBound else { throw MissingPart("a free port") }
        return UInt16(bigEndian: address.sin_port)
    }
}
