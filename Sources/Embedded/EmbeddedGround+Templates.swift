// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Hardening
package import Housekeeping
internal import Logging
package import Pool
internal import Synchronization

extension EmbeddedGround {
    /// Checks a template and prepares its root filesystem, pulling a missing image.
    /// - Returns: the template with the image that its reference refers to now.
    package func prepare(
        _ template: MemberTemplate, _ cancellation: Cancellation
    ) throws(RuntimeError) -> MemberTemplate {
        try validate(template)
        var template = template
        template.imageIdentity = nil
        if !Self.isLocal(template.image) { template.imageIdentity = try resolve(template, cancellation) }
        _ = try root(template, cancellation)
        return template
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

    /// Checks that a name can be that of directories and cgroups.
    package func validate(_ member: MemberID) throws(RuntimeError) {
        let name = member.description
        let isName = name.utf8.allSatisfy { byte in
            byte == UInt8(ascii: "-") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        guard isName, !name.isEmpty, name.utf8.count <= 32, !name.hasPrefix("-") else {
            throw RuntimeError(.invalidConfiguration, "\"\(name)\" is not the name of a member")
        }
    }

    package func validate(_ template: MemberTemplate) throws(RuntimeError) {
        guard template.network == "none" || template.network == "host" else {
            throw RuntimeError(
                .invalidConfiguration,
                "network \"\(template.network)\": the runtime \(kind) knows \"none\" and \"host\"")
        }
        if let name = template.runtimeName {
            throw RuntimeError(
                .invalidConfiguration,
                "runtime_name \(name) is for Docker and Kubernetes: the runtime \(kind) makes the containers itself")
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
    package func root(
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

extension EmbeddedGround.RootKey {
    fileprivate var template: MemberTemplate {
        MemberTemplate(image: image, network: network, tmpfsPaths: tmpfsPaths)
    }
}
