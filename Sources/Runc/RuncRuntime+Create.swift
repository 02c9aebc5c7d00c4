// SPDX-License-Identifier: Apache-2.0

internal import CHost
internal import FoundationEssentials
internal import Glibc
internal import Hardening
internal import Housekeeping
internal import Logging
package import Pool
internal import Synchronization

extension RuncRuntime {
    /// Maximum bytes of standard error that are kept, of runc and the agent together.
    private static let diagnosticBytes = 16 << 10
    /// runc is written in Go, and too short-lived for garbage collection below 16 MB to be worthwhile.
    private static let collectsLate = ["GOGC=400"]

    /// Checks a template and prepares its root filesystem, pulling a missing image. This comes before the first create, whose
    /// timeout is too short for that.
    /// - Returns: the template with the image that its reference refers to now.
    /// - Throws: `invalidConfiguration`, or `imageMissing` with what would help.
    @discardableResult
    package func prepare(_ template: MemberTemplate) async throws(RuntimeError) -> MemberTemplate {
        try await blocking { cancellation throws(RuntimeError) in
            try Self.validate(template)
            var template = template
            template.imageIdentity = nil
            if !Self.isLocal(template.image) { template.imageIdentity = try self.resolve(template, cancellation) }
            _ = try self.root(template, cancellation)
            return template
        }
    }

    private static func isLocal(_ image: String) -> Bool { image == "host" || image.hasPrefix("/") }

    /// The image that a reference refers to, pulled according to the policy.
    private func resolve(_ template: MemberTemplate, _ cancellation: Cancellation) throws(RuntimeError) -> String? {
        let reference = template.image
        let image = try images.image(
            reference, cancellation, wanted: template.pull == .always ? .newest : .any, policy: template.pull)
        var logger = logger
        logger[metadataKey: "image.reference"] = "\(reference)"
        logger.info("the image is there", metadata: ["image.digest": "\(image.identity ?? "not known")"])
        if let theirs = image.architecture, !theirs.isEmpty, !Architecture.name.isEmpty, theirs != Architecture.name {
            logger.warning(
                "the image is made for another kind of machine: its programs start only where that one is emulated",
                metadata: ["image.architecture": "\(theirs)", "host.architecture": "\(Architecture.name)"])
        }
        if template.pull == .missing { compareLater(reference, image.identity) }
        return image.identity
    }

    /// Logs if the registry has another image for the reference than this host, which `pull: missing` does not replace. It
    /// runs in the background, since a registry may be slow or unreachable.
    private func compareLater(_ reference: String, _ identity: String?) {
        let comparison = Task { [images, logger] in
            let digest = try? await blocking { cancellation throws(RuntimeError) in
                try images.registryDigest(reference, cancellation)
            }
            guard let digest, digest != identity else { return }
            logger.notice(
                "the registry has another image under this tag, `pull: missing` keeps the one that is there",
                metadata: [
                    "image.reference": "\(reference)", "image.digest": "\(identity ?? "not known")",
                    "registry.digest": "\(digest)",
                ])
        }
        comparisons.withLock { comparisons in
            comparisons[reference]?.cancel()
            comparisons[reference] = comparison
        }
    }

    /// - Returns: the stream to the agent, which is a socket, with the user that programs run as.
    func start(
        _ member: MemberID, _ template: MemberTemplate, _ cancellation: Cancellation
    ) throws(RuntimeError) -> (descriptor: Int32, user: MemberUser) {
        try Self.validate(member)
        try Self.validate(template)
        let root = try root(template, cancellation)
        let bundle = bundle(member)
        try Files.makeDirectory(bundle, mode: 0o700)
        let uid = users.user(template.uid ?? MemberTemplate.standardUID)
        var accounts = root.accounts
        accounts.add(uid, template.allowedUIDs, home: template.home)
        let files = "\(bundle)/files"
        try Files.makeDirectory(files)
        try Files.makeDirectory("\(files)/etc")
        for (name, content) in root.files(template, hostname: member.description, accounts) {
            try Files.write("\(files)/etc/\(name)", content)
        }
        var rootPath = root.path
        if root.isOverlaid {
            rootPath = "\(bundle)/root"
            try Files.makeDirectory(rootPath)
            try Overlay.mount([files] + root.layers, at: rootPath)
        }
        // From its start on, the container has the mount in its own namespace.
        defer { if root.isOverlaid { Overlay.unmount(rootPath) } }
        let configuration = OCIConfiguration(
            member: member, template: template,
            hardening: HardeningProfile(template, user: uid, sharesFiles: !root.isOverlaid),
            root: root, rootPath: rootPath, files: files, empty: empty, agentPath: agentPath, cgroups: cgroups)
        let json: Data
        do {
            json = try JSONEncoder().encode(configuration)
        } catch {
            throw RuntimeError(.failed, "the container's configuration can't be written: \(error)")
        }
        try Files.write("\(bundle)/config.json", json, mode: 0o600)

        let stream = try run(member, bundle, cancellation)
        return (stream, MemberUser(uid: uid, names: accounts.names))
    }

    /// Runs a container from its bundle.
    /// - Returns: the stream to the agent.
    private func run(_ member: MemberID, _ bundle: String, _ cancellation: Cancellation) throws(RuntimeError) -> Int32 {
        let diagnostic = berth_bounded_file(Self.diagnosticBytes)
        guard diagnostic >= 0 else { throw systemFailure("memfd_create", -diagnostic) }
        diagnostics.withLock { files in
            if let old = files.updateValue(diagnostic, forKey: member) { close(old) }
        }

        // A socket instead of two pipes: it is faster, and nothing in the container can reopen it through /proc.
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw lastFailure("socketpair")
        }
        // The agent's standard input and output.
        defer { close(ends[1]) }
        do throws(RuntimeError) {
            let outcome = try Subprocess.run(
                [
                    executable, "--root", "\(stateDirectory)/runc", "run", "--detach", "--bundle", bundle,
                    "--pid-file", "\(bundle)/pid", member.description,
                ], stdin: ends[1], stdout: ends[1], stderr: diagnostic, environment: Self.collectsLate, seconds: 300,
                cancellation)
            guard outcome.status == 0 else {
                throw Self.error(Subprocess.tail(of: diagnostic))
            }
            let process = Int32(String(decoding: Files.read("\(bundle)/pid") ?? [], as: UTF8.self)) ?? 0
            guard SocketMemory.limit(process) else {
                throw lastFailure("what the container's sockets hold can't be limited")
            }
        } catch {
            close(ends[0])
            // What it holds is in the error.
            if let file = diagnostics.withLock({ $0.removeValue(forKey: member) }) { close(file) }
            throw error
        }
        return ends[0]
    }

    private static func error(_ output: String) -> RuntimeError {
        let message = RuncMessage.parse(output)
        let isMemory = ["cannot allocate memory", "no space left on device", "container init was OOM-killed"].contains {
            message.contains($0)
        }
        return RuntimeError(isMemory ? .outOfMemory : .failed, message)
    }

    private static func validate(_ member: MemberID) throws(RuntimeError) {
        // The name is used for directories and a cgroup.
        let name = member.description
        let isName = name.utf8.allSatisfy { byte in
            byte == UInt8(ascii: "-") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        guard isName, !name.isEmpty, name.utf8.count <= 32, !name.hasPrefix("-") else {
            throw RuntimeError(.invalidConfiguration, "\"\(name)\" is not the name of a member")
        }
    }

    private static func validate(_ template: MemberTemplate) throws(RuntimeError) {
        guard template.network == "none" || template.network == "host" else {
            throw RuntimeError(
                .invalidConfiguration,
                "network \"\(template.network)\": the runtime runc knows \"none\" and \"host\"")
        }
        for path in template.tmpfsPaths {
            let components = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
            let isPlain = path.hasPrefix("/") && components.allSatisfy { !["", ".", ".."].contains($0) }
            let isReserved = ["proc", "sys", "dev", ".berth"].contains(components.first ?? "")
            guard isPlain, !isReserved else {
                throw RuntimeError(.invalidConfiguration, "a tmpfs can't be mounted on \"\(path)\"")
            }
        }
        guard template.memoryBytes > 0, template.processes > 0, template.milliCPUs > 0, template.tmpfsBytes > 0 else {
            throw RuntimeError(.invalidConfiguration, "memory, processes, CPU and tmpfs size must each be above 0")
        }
    }

    /// The root filesystem of a template, created when it is first needed.
    private func root(
        _ template: MemberTemplate, _ cancellation: Cancellation
    ) throws(RuntimeError) -> RootFilesystem {
        let key = RootKey(
            image: template.image, identity: template.imageIdentity, network: template.network,
            tmpfsPaths: template.tmpfsPaths)
        if let known = roots.withLock({ $0[key] }) { return known }

        var image = template.image
        var environment: [String] = []
        if !Self.isLocal(image) {
            let pulled = try images.image(
                image, cancellation, wanted: template.imageIdentity.map { .identity($0) } ?? .any, policy: template.pull
            )
            (image, environment) = (pulled.rootfs, pulled.environment)
        }
        // Each attempt has a name of its own, so that it cannot collide with a concurrent or failed one.
        var template = Array("\(stateDirectory)/roots/XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Files.failure("mkdir", "\(stateDirectory)/roots") }
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        chmod(path, 0o755)
        let made =
            image == "host"
            ? try RootFilesystem.host(at: path, key.template, isOverlaid: isOverlaid, cancellation)
            : try RootFilesystem.directory(
                image, at: path, environment: environment, key.template, isOverlaid: isOverlaid)
        return roots.withLock { roots in
            if let first = roots[key] { return first }
            roots[key] = made
            return made
        }
    }
}

extension RuncRuntime.RootKey {
    fileprivate var template: MemberTemplate {
        MemberTemplate(image: image, network: network, tmpfsPaths: tmpfsPaths)
    }
}
