// SPDX-License-Identifier: Apache-2.0

internal import CurlHTTP
internal import FileTree
internal import Hardening
internal import Pool

/// Reads /etc/passwd and /etc/group of an image, from which those of members are made.
extension DockerRuntime {
    /// Reads the accounts of an image, once per image, from a container that is created for this and never started. The
    /// task outlives a cancelled caller, so that the container is removed.
    func accounts(_ reference: String, _ image: ImageDetails) async throws -> Accounts {
        try await accountsOfImages.value(image.Id ?? reference) { [self] in try await look(reference, image) }
    }

    private func look(_ reference: String, _ image: ImageDetails) async throws -> Accounts {
        // It has the labels of a member, so that it is swept if this server ends meanwhile.
        let probe = MemberID("image-\(String(UInt32.random(in: 0 ... .max), radix: 36))")
        let body = ProbeRequest(
            Image: image.Id ?? reference, Entrypoint: [Self.agentInContainer],
            Labels: [
                Self.instanceLabel: instance, Self.hostLabel: hostIdentity, Self.memberLabel: probe.description,
            ])
        try await engine.call(
            HTTPRequest(
                .post, "/containers/create", query: [("name", containerName(probe))], body: try Engine.encode(body),
                timeout: .seconds(120)))
        var accounts = Accounts.standard
        do {
            if let passwd = try await file("/etc/passwd", in: probe) { accounts.passwd = passwd }
            if let group = try await file("/etc/group", in: probe) { accounts.group = group }
        } catch {
            try? await discard(probe)
            throw error
        }
        try await discard(probe)
        return accounts
    }

    private func discard(_ probe: MemberID) async throws {
        do {
            let query = [("force", "true"), ("v", "true")]
            try await engine.call(HTTPRequest(.delete, containerPath(probe), query: query, timeout: .seconds(30)))
        } catch let refusal as EngineRefusal where refusal.status == 404 {}
    }

    /// The content of a file; nil if there is no such file, or it is not a regular file.
    private func file(_ path: String, in member: MemberID) async throws -> [UInt8]? {
        do {
            let request = HTTPRequest(
                .get, containerPath(member, "/archive"), query: [("path", path)], maxBodyBytes: 2 << 20)
            return Self.onlyFile(inTar: try await engine.call(request).body)
        } catch let refusal as EngineRefusal where refusal.status == 404 {
            return nil
        }
    }

    /// The content of an archive's first entry; nil if that is not a file.
    static func onlyFile(inTar archive: [UInt8]) -> [UInt8]? {
        var unread = archive[...]
        let reader = TarReader { buffer in
            let part = unread.prefix(buffer.count)
            buffer.copyBytes(from: part)
            unread = unread.dropFirst(part.count)
            return part.count
        }
        // An entry can't have more content than its archive, whatever it says.
        guard let entry = try? reader.next(), entry.kind == .file, entry.size <= archive.count else { return nil }
        var content = [UInt8](repeating: 0, count: Int(entry.size))
        var filled = 0
        while filled < content.count {
            let count = try? content.withUnsafeMutableBytes { bytes throws(FileError) in
                try reader.read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[filled...]))
            }
            guard let count, count > 0 else { return nil }
            filled += count
        }
        return content
    }
}

/// A container that is never started.
struct ProbeRequest: Encodable {
    struct Host: Encodable {
        var NetworkMode = "none"
        var ReadonlyRootfs = true
    }
    var Image: String
    var Entrypoint: [String]
    var Labels: [String: String]
    var HostConfig = Host()
}
