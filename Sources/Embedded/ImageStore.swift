// SPDX-License-Identifier: Apache-2.0

internal import DockerConfig
internal import FoundationEssentials
internal import Glibc
internal import Hardening
internal import Housekeeping
internal import Logging
internal import Pool
internal import Synchronization

/// Images pulled from registries and unpacked: `<directory>/<name>` is a link to `<name>@<digest>`, the one that the
/// reference meant when it was pulled last, and there `rootfs` is the image. Those of an older Berth are a directory in the
/// link's place.
struct ImageStore: Sendable {
    var directory: String
    var logins = DockerConfigFile.none
    var logger: Logger
    private let holds = BundleHolds()

    init(directory: String, logins: DockerConfigFile = .none, logger: Logger) {
        self.directory = directory
        self.logins = logins
        self.logger = logger
    }

    struct Image {
        var rootfs: String
        var environment: [String]
        /// The digest in the registry; nil for an image of an older Berth, which did not record it.
        var identity: String?
        /// The architecture of the image, with Go's names.
        var architecture: String?
    }

    /// Which image is wanted, if there is one already.
    enum Wanted {
        case any
        /// This very one, if it is still there.
        case identity(String)
        /// What the registry has now.
        case newest
    }

    /// Unpacks the image if it is missing. There is one pull at a time, even across servers.
    func image(
        _ reference: String, _ cancellation: Cancellation, wanted: Wanted = .any, policy: PullPolicy = .missing
    ) throws(RuntimeError) -> Image {
        let name = Self.fileName(reference)
        try TrustedDirectory.check(directory)
        var isNewest = false
        switch wanted {
        case .any: break
        case .identity(let identity):
            let bundle = bundle(name, identity)
            if Files.exists(bundle) { return try use(bundle) }
        case .newest: isNewest = true
        }
        if !isNewest, let current = current(name) { return try use(current) }
        guard policy != .never else {
            throw RuntimeError(
                .imageMissing,
                "\(reference) is not here, and `pull: never` forbids to pull it: take `pull: missing` once")
        }
        // Root alone may look in: an image can hold setuid programs.
        for end in directory.indices where directory[end] == "/" && end != directory.startIndex {
            try Files.ensureDirectory(String(directory[..<end]))
        }
        try Files.makeDirectory(directory, mode: 0o700)
        let lock = try Self.lock("\(directory)/.lock", cancellation)
        defer { close(lock) }
        // Another server may have pulled it in the meantime.
        if !isNewest, let current = current(name) { return try use(current) }
        return try use(try pull(reference, cancellation))
    }

    /// The digest that the registry has for a reference.
    func registryDigest(_ reference: String, _ cancellation: Cancellation) throws(RuntimeError) -> String {
        guard let skopeo = Subprocess.find("skopeo") else {
            throw RuntimeError(.imageMissing, "skopeo is not installed")
        }
        return try withLogin(reference, "--authfile") { flags throws(RuntimeError) in
            try self.look(skopeo, reference, flags, cancellation).digest
        }
    }

    private func bundle(_ name: String, _ identity: String) -> String {
        "\(directory)/\(name)@\(identity.replacing(":", with: "-"))"
    }

    private func current(_ name: String) -> String? {
        let path = "\(directory)/\(name)"
        switch Files.kind(path) {
        case .symlink(let target):
            let bundle = "\(directory)/\(target)"
            return !target.contains("/") && Files.exists(bundle) ? bundle : nil
        case .directory: return path
        case .absent, .other: return nil
        }
    }

    /// Prevents it from being removed as long as this process lives.
    private func use(_ bundle: String) throws(RuntimeError) -> Image {
        try holds.hold(bundle)
        let identity = bundle.lastIndex(of: "@").map {
            String(bundle[bundle.index(after: $0)...]).replacing("-", with: ":", maxReplacements: 1)
        }
        return Image(
            rootfs: "\(bundle)/rootfs", environment: Self.environment(bundle), identity: identity,
            architecture: Files.read("\(bundle)/architecture").map { String(decoding: $0, as: UTF8.self) })
    }

    /// - Returns: the bundle, which may be an existing one.
    private func pull(_ reference: String, _ cancellation: Cancellation) throws(RuntimeError) -> String {
        let tools = ["skopeo", "umoci"].map { ($0, Subprocess.find($0)) }
        let missing = tools.filter { $0.1 == nil }.map(\.0)
        guard missing.isEmpty, let skopeo = tools[0].1, let umoci = tools[1].1 else {
            throw RuntimeError(
                .imageMissing,
                "\(reference) is not here, and to pull it \(missing.joined(separator: " and ")) is not installed: "
                    + "apt-get install \(missing.joined(separator: " "))")
        }
        let name = Self.fileName(reference)
        let (digest, architecture) = try withLogin(reference, "--authfile") { flags throws(RuntimeError) in
            try self.look(skopeo, reference, flags, cancellation)
        }
        let bundle = bundle(name, digest)
        let before = current(name)
        if before == bundle { return bundle }
        var logger = logger
        logger[metadataKey: "image.reference"] = "\(reference)"
        if !Files.exists(bundle) {
            let work = "\(directory)/.pull"
            try Files.removeTree(work)
            try Files.makeDirectory(work, mode: 0o700)
            defer { try? Files.removeTree(work) }
            logger.info("pulling an image")
            let started = ContinuousClock.now
            try withLogin(reference, "--src-authfile") { flags throws(RuntimeError) in
                var copy = [skopeo] + Self.policyFlags + ["copy", "--quiet"] + flags
                if Self.isLoopback(reference) { copy.append("--src-tls-verify=false") }
                // By its digest, since the tag may move in the meantime.
                copy += [Self.source(reference, digest: digest), "oci:\(work)/image:latest"]
                try self.run(copy, reference, cancellation)
            }
            // Without the owners of files, where there are no other ids.
            let owners = UserNamespace.isOfOneID ? ["--rootless"] : []
            try run(
                [umoci, "unpack"] + owners + ["--image", "\(work)/image:latest", "\(work)/bundle"], reference,
                cancellation)
            try Files.write("\(work)/bundle/architecture", architecture.utf8)
            guard rename("\(work)/bundle", bundle) == 0 else { throw Files.failure("rename to", bundle) }
            logger.info("pulled an image", metadata: ["image.duration": "\(ContinuousClock.now - started)"])
        }
        try point(name, to: bundle)
        if let before {
            logger.notice(
                "the image's tag has moved",
                metadata: ["image.was": "\(before.split(separator: "@").last ?? "")", "image.is": "\(digest)"])
        }
        removeUnused(name, but: bundle)
        return bundle
    }

    /// Changes the link atomically, so that another server sees either the old or the new bundle.
    private func point(_ name: String, to bundle: String) throws(RuntimeError) {
        let (link, path) = ("\(directory)/.link", "\(directory)/\(name)")
        unlink(link)
        guard let target = bundle.split(separator: "/").last, symlink(String(target), link) == 0 else {
            throw Files.failure("link", link)
        }
        if case .directory = Files.kind(path) {
            guard rename(path, "\(path)@older") == 0 else { throw Files.failure("rename", path) }
        }
        guard rename(link, path) == 0 else { throw Files.failure("rename to", path) }
    }

    /// Removes earlier images of the same reference, unless a server still has members of them.
    private func removeUnused(_ name: String, but bundle: String) {
        for entry in Files.list(directory) where entry.hasPrefix("\(name)@") && "\(directory)/\(entry)" != bundle {
            let path = "\(directory)/\(entry)"
            guard BundleHolds.isFree(path) else { continue }
            do {
                try Files.removeTree(path)
            } catch {
                logger.warning(
                    "an old image could not be removed", metadata: ["image.path": "\(path)", "error": "\(error)"])
            }
        }
    }

    private func look(
        _ skopeo: String, _ reference: String, _ flags: [String], _ cancellation: Cancellation
    ) throws(RuntimeError) -> (digest: String, architecture: String) {
        var argv = [skopeo] + Self.policyFlags + ["inspect", "--no-tags", "--format", "{{.Digest}} {{.Architecture}}"]
        argv += flags
        if Self.isLoopback(reference) { argv.append("--tls-verify=false") }
        let outcome = try Subprocess.run(argv + [Self.source(reference)], seconds: 60, cancellation)
        guard outcome.status == 0 else {
            throw RuntimeError(.imageMissing, "\(reference) can't be had: \(ToolMessage.lastLine(outcome.output))")
        }
        let words = outcome.output.split(whereSeparator: \.isWhitespace)
        guard let digest = words.first, digest.hasPrefix("sha256:") || digest.hasPrefix("sha512:"),
            !digest.contains("/")
        else { throw RuntimeError(.failed, "skopeo tells no digest of \(reference): \(outcome.output.prefix(200))") }
        return (String(digest), words.count > 1 ? String(words[1]) : "")
    }

    /// Without a policy of the administrator, skopeo would refuse every image.
    private static var policyFlags: [String] {
        Files.exists("/etc/containers/policy.json") ? [] : ["--insecure-policy"]
    }

    /// Calls `body` with flags that pass the login of Docker's client to skopeo; without one, skopeo looks for its own.
    private func withLogin<Result>(
        _ reference: String, _ flag: String, _ body: ([String]) throws(RuntimeError) -> Result
    ) throws(RuntimeError) -> Result {
        var login: RegistryLogin?
        do throws(RuntimeError) {
            login = try logins.login(forImage: reference)
        } catch {
            logger.warning(
                "no log-in for the image's registry",
                metadata: ["image.reference": "\(reference)", "error": "\(error.message)"])
        }
        guard let login else { return try body([]) }
        var template = Array("/run/berth-login-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw Files.failure("make a file in", "/run") }
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer {
            close(descriptor)
            unlink(path)
        }
        try Files.write(path, login.authenticationFile, mode: 0o600)
        return try body([flag, path])
    }

    private func run(_ argv: [String], _ reference: String, _ cancellation: Cancellation) throws(RuntimeError) {
        let outcome = try Subprocess.run(argv, seconds: 1800, cancellation)
        guard outcome.status == 0 else {
            throw RuntimeError(.imageMissing, "\(reference) can't be had: \(ToolMessage.lastLine(outcome.output))")
        }
    }

    /// The environment of the image, from the configuration that umoci writes beside its files.
    private static func environment(_ bundle: String) -> [String] {
        struct Configuration: Decodable {
            struct Process: Decodable { var env: [String]? }
            var process: Process?
        }
        guard let bytes = Files.read("\(bundle)/config.json") else { return [] }
        let configuration = try? JSONDecoder().decode(Configuration.self, from: Data(bytes))
        return (configuration?.process?.env ?? []).filter { !$0.hasPrefix("TERM=") && !$0.hasPrefix("HOME=") }
    }

    /// A reference in skopeo's form.
    static func source(_ reference: String) -> String {
        reference.hasPrefix("docker://") ? reference : "docker://\(reference)"
    }

    /// A reference in skopeo's form, with a digest instead of its tag.
    static func source(_ reference: String, digest: String) -> String {
        let source = source(reference)
        if source.contains("@") { return source }
        let last = source.lastIndex(of: "/") ?? source.startIndex
        let name = source[last...].firstIndex(of: ":").map { source[..<$0] } ?? source[...]
        return "\(name)@\(digest)"
    }

    /// Whether the registry is on this machine, for which TLS is not required.
    static func isLoopback(_ reference: String) -> Bool {
        let authority = source(reference).dropFirst("docker://".count).prefix { $0 != "/" }
        if authority.hasPrefix("[::1]") { return true }
        let host = authority.prefix { $0 != ":" }
        guard authority.contains(":") else { return false }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return host == "localhost" || (parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil })
    }

    /// A unique file name for each reference: everything except letters, digits, dots and dashes is written in hex.
    static func fileName(_ reference: String) -> String {
        source(reference).dropFirst("docker://".count).utf8.map { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"):
                String(UnicodeScalar(byte))
            default: "_" + String(byte, radix: 16)
            }
        }.joined()
    }

    private static func lock(_ path: String, _ cancellation: Cancellation) throws(RuntimeError) -> Int32 {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw Files.failure("open", path) }
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            if cancellation.wait(milliseconds: 100) {
                close(descriptor)
                throw RuntimeError(.failed, "waiting for another pull was cancelled")
            }
        }
        return descriptor
    }
}

/// The unpacked images that this process uses: a shared lock on the directory of each, until the process ends.
final class BundleHolds: Sendable {
    private let held = Mutex<[String: Int32]>([:])

    func hold(_ bundle: String) throws(RuntimeError) {
        if held.withLock({ $0[bundle] }) != nil { return }
        let descriptor = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Files.failure("open", bundle) }
        guard flock(descriptor, LOCK_SH | LOCK_NB) == 0 else {
            close(descriptor)
            throw RuntimeError(.failed, "\(bundle) is being removed by another server")
        }
        let isSecond = held.withLock { held in
            if held[bundle] != nil { return true }
            held[bundle] = descriptor
            return false
        }
        if isSecond { close(descriptor) }
    }

    /// Whether no server holds the bundle.
    static func isFree(_ bundle: String) -> Bool {
        let descriptor = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return flock(descriptor, LOCK_EX | LOCK_NB) == 0
    }

    deinit { held.withLock { for descriptor in $0.values { close(descriptor) } } }
}
