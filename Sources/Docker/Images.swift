// SPDX-License-Identifier: Apache-2.0

internal import CurlHTTP
internal import DockerConfig
internal import GatedLog
internal import Logging
internal import Pool
internal import Synchronization

/// Looks up images, and pulls them if they are missing or a newer one is wanted: one pull at a time for each image.
///
/// A pull outlives the create that needed it: a large image takes longer than a create may, and a pull that is restarted each
/// time would never end.
final class Images: Sendable {
    private let engine: Engine
    private let logins: Logins
    private let logger: Logger
    private let gate: LogGate
    private let pulls = Mutex<[String: Task<Void, any Error>]>([:])

    init(_ engine: Engine, _ config: DockerConfigFile, _ logger: Logger) {
        self.engine = engine
        self.logger = logger
        gate = LogGate(logger)
        logins = Logins(config, logger)
    }

    func details(_ reference: String) async throws -> ImageDetails {
        try await engine.call(
            HTTPRequest(.get, "/images/\(Self.inPath(reference))/json"), returning: ImageDetails.self)
    }

    /// The image's details; pulls it if the engine lacks it. If the caller is cancelled, the pull continues.
    func detailsPulling(_ reference: String) async throws -> ImageDetails {
        do {
            return try await details(reference)
        } catch let refusal as EngineRefusal where refusal.status == 404 {
            try await pull(reference)
            return try await details(reference)
        }
    }

    /// The image for a create: the one that the pool was resolved to, even if the tag has moved since. If it is gone, the one
    /// that the tag refers to now.
    func forCreate(_ template: MemberTemplate) async throws -> ImageDetails {
        let current: ImageDetails
        if template.pull == .never {
            do {
                current = try await details(template.image)
            } catch let refusal as EngineRefusal where refusal.status == 404 {
                throw Self.isNotThere(template.image)
            }
        } else {
            current = try await detailsPulling(template.image)
        }
        guard let wanted = template.imageIdentity, wanted != current.Id else { return current }
        do {
            return try await details(wanted)
        } catch let refusal as EngineRefusal where refusal.status == 404 {
            gate.log(
                .warning, "the image of the pool is gone, its tag means another now", subject: template.image,
                metadata: ["image": "\(template.image)", "image.was": "\(wanted)", "image.is": "\(current.Id ?? "")"])
            return current
        }
    }

    /// The digest of the manifest that the registry has for the reference; nil if the registry does not tell.
    func registryDigest(_ reference: String) async throws -> String? {
        try await engine.call(
            HTTPRequest(
                .get, "/distribution/\(Self.inPath(reference))/json", headers: await logins.headers(reference),
                timeout: .seconds(15)), returning: DistributionReply.self
        ).Descriptor?.digest
    }

    static func isNotThere(_ reference: String) -> RuntimeError {
        RuntimeError(
            .imageMissing,
            "image \(reference) is not there, and `pull: never` forbids to pull it: docker pull \(reference), or docker "
                + "load -i FILE")
    }

    func cancelAll() {
        let tasks = pulls.withLock { Array($0.values) }
        for task in tasks { task.cancel() }
    }

    /// Pulls the image, even if it exists.
    func pull(_ reference: String) async throws {
        let task = pulls.withLock { pulls in
            if let task = pulls[reference] { return task }
            let task = Task { [self] in
                defer { self.pulls.withLock { $0[reference] = nil } }
                try await download(reference)
            }
            pulls[reference] = task
            return task
        }
        let outcome = await abandonable(task)
        guard let outcome else {
            throw RuntimeError(.notReadyInTime, "image \(reference) is still being pulled")
        }
        try outcome.get()
    }

    private func download(_ reference: String) async throws {
        var logger = logger
        logger[metadataKey: "image"] = "\(reference)"
        logger.info("pulling the image")
        let began = ContinuousClock.now
        var lastNote = began
        let name = ImageName(reference)
        let request = HTTPRequest(
            .post, "/images/create", query: [("fromImage", name.name), ("tag", name.tag)],
            headers: await logins.headers(reference), timeout: .seconds(3600), maxBodyBytes: 1 << 20)
        do {
            try await engine.lines(request) { line in
                guard !line.allSatisfy({ $0 == 13 || $0 == 32 }) else { return }
                let progress: PullProgress = try Engine.decode(line)
                if let words = progress.errorDetail?.message ?? progress.error {
                    throw EngineRefusal(status: 500, message: words)
                }
                // A line for every few kilobytes comes: now and then one is enough.
                if ContinuousClock.now - lastNote > .seconds(2), let status = progress.status {
                    lastNote = .now
                    logger.info(
                        "still pulling the image", metadata: ["layer": "\(progress.id ?? "")", "status": "\(status)"])
                }
            }
        } catch let refusal as EngineRefusal {
            logger.warning("the image could not be pulled", metadata: ["error": "\(refusal.message)"])
            let invalid = refusal.status == 400 || refusal.message.contains("invalid reference format")
            throw RuntimeError(
                invalid ? .invalidConfiguration : .imageMissing,
                "image \(reference) can't be pulled; the engine says: \(refusal.message)")
        }
        logger.info("the image is pulled", metadata: ["duration": "\(ContinuousClock.now - began)"])
    }

    /// A reference encoded for a path, with its slashes.
    static func inPath(_ reference: String) -> String {
        reference.split(separator: "/", omittingEmptySubsequences: false).map { HTTPRequest.percentEncoded(String($0)) }
            .joined(separator: "/")
    }
}

/// The two parts of "registry:5000/team/python:3.9" that a pull needs.
struct ImageName: Equatable {
    var name: String
    /// A tag or a digest; without one the engine would pull every tag.
    var tag: String

    init(_ reference: String) {
        if let at = reference.firstIndex(of: "@") {
            (name, tag) = (String(reference[..<at]), String(reference[reference.index(after: at)...]))
            return
        }
        let last = reference.lastIndex(of: "/").map { reference.index(after: $0) } ?? reference.startIndex
        if let colon = reference[last...].lastIndex(of: ":") {
            (name, tag) = (String(reference[..<colon]), String(reference[reference.index(after: colon)...]))
        } else {
            (name, tag) = (reference, "latest")
        }
    }
}
