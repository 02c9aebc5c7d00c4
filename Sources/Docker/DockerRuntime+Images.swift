// SPDX-License-Identifier: Apache-2.0

internal import CurlHTTP
internal import Hardening
internal import Logging
package import Pool

extension DockerRuntime {
    /// Checks that members of a template can be created, and gets their image according to the pool's policy. This
    /// comes before the first create, whose timeout is too short for that.
    /// - Returns: the template with the image that its reference refers to now.
    /// - Throws: `RuntimeError`, with what to do if the engine does not answer or the image is unavailable.
    @discardableResult
    package func prepare(_ template: MemberTemplate) async throws(RuntimeError) -> MemberTemplate {
        let reference = template.image
        if template.pull == .missing {
            let probe = await self.probe(image: reference)
            if let problem = probe.problem { throw problem }
            if !probe.isUsable {
                throw RuntimeError(
                    .imageMissing, probe.advice(image: reference) ?? "image \(reference) is not available")
            }
        }
        do {
            let (version, _) = try await engine.negotiate()
            if let foreign = Self.foreignMachine(version) { throw foreign }
            if let name = template.runtimeName { try await check(runtimeName: name, version) }
            let before = try? await images.details(reference)
            if template.pull == .always { try await images.pull(reference) }
            if template.pull == .never, before == nil { throw Images.isNotThere(reference) }
            let image = try await images.detailsPulling(reference)
            note(image, reference, before, version)
            if template.pull == .missing, before != nil, version.engine.hasPrefix("Docker") {
                // In the background, since a registry may be slow.
                Task { [images, logger] in await Self.compare(image, reference, images, logger) }
            }
            var template = template
            template.imageIdentity = image.Id
            return template
        } catch {
            throw endpoint.explain(error)
        }
    }

    /// Checks that the engine has the low-level runtime, since a missing one would fail every create.
    private func check(runtimeName name: String, _ version: EngineVersion) async throws {
        let info = try await engine.call(HTTPRequest(.get, "/info"), returning: EngineInfo.self)
        if version.engine.hasPrefix("Podman"), name != info.DefaultRuntime {
            throw RuntimeError(
                .invalidConfiguration,
                "runtime_name \(name): Podman uses the runtime that its own configuration names (containers.conf, runtime"
                    + "\(info.DefaultRuntime.map { "; now \($0)" } ?? "")), and takes no other from its callers: set it there, and "
                    + "runtime_name to auto")
        }
        let names = info.Runtimes?.keys.sorted() ?? []
        // containerd's shims go by their own names, which the engine need not list.
        guard !names.contains(name), !name.hasPrefix("io.containerd.") else { return }
        throw RuntimeError(
            .invalidConfiguration,
            "runtime_name \(name): \(version.engine) at \(endpoint) has no runtime of that name, only "
                + "\(names.joined(separator: ", ")); add it to \"runtimes\" in its daemon.json and restart it")
    }

    static func foreignMachine(_ version: EngineVersion) -> RuntimeError? {
        guard let theirs = version.Arch, !theirs.isEmpty, !Architecture.name.isEmpty, theirs != Architecture.name else {
            return nil
        }
        return RuntimeError(
            .runtimeUnreachable,
            "\(version.engine) runs on \(theirs), and the berth-agent here is made for \(Architecture.name): run Berth on a "
                + "machine of the engine's kind")
    }

    private func note(_ image: ImageDetails, _ reference: String, _ before: ImageDetails?, _ version: EngineVersion) {
        var logger = logger
        logger[metadataKey: "image"] = "\(reference)"
        logger[metadataKey: "image.id"] = "\(image.Id ?? "unknown")"
        if let before, before.Id != image.Id {
            logger.notice("the image's tag has moved", metadata: ["image.was": "\(before.Id ?? "unknown")"])
        } else {
            logger.info("the image is there")
        }
        if let theirs = image.Architecture, let engine = version.Arch, !theirs.isEmpty, theirs != engine {
            logger.warning(
                "the image is made for another kind of machine: its programs start only where that one is emulated",
                metadata: ["image.architecture": "\(theirs)", "engine.architecture": "\(engine)"])
        }
    }

    /// Logs if the registry has another image for the tag than the engine, which `pull: missing` does not replace.
    private static func compare(_ image: ImageDetails, _ reference: String, _ images: Images, _ logger: Logger) async {
        guard !reference.contains("@"), let digest = try? await images.registryDigest(reference),
            let known = image.RepoDigests, !known.isEmpty, !known.contains(where: { $0.hasSuffix("@\(digest)") })
        else { return }
        logger.notice(
            "the registry has another image under this tag, `pull: missing` keeps the one that is there",
            metadata: ["image": "\(reference)", "image.id": "\(image.Id ?? "unknown")", "registry.digest": "\(digest)"])
    }
}
