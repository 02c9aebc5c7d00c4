// SPDX-License-Identifier: Apache-2.0

internal import CurlHTTP
internal import FileTree
internal import FoundationEssentials
internal import Pool

/// Puts files of this server into volumes, for an engine that does not see them. Each volume is filled once.
///
/// The engine refuses to copy files into a container whose root is read-only. So they are copied through another
/// container, which mounts the volume read-write and is never started.
final class EngineVolumes: Sendable {
    /// The label for the owner, on volumes and on the containers that fill them.
    static let label = "dev.berth.agent"
    private static let mountPoint = "/.berth"

    struct Volume: Sendable {
        var name: String
        /// Its path for the engine; empty if the engine does not say it.
        var path: String
    }

    private let engine: Engine
    private let owner: String
    let prefix: String

    /// - Parameters:
    ///   - owner: distinguishes the volumes of this server from those of others that use the same engine.
    ///   - prefix: the prefix of their names.
    init(_ engine: Engine, owner: String, prefix: String) {
        self.engine = engine
        self.owner = owner
        self.prefix = prefix
    }

    /// Creates a volume and fills it.
    /// - Parameters:
    ///   - image: any image that the engine has; nothing of it is run.
    ///   - files: the files for the volume.
    func make(_ image: String, _ files: [File]) async throws -> Volume {
        let archive = try Self.archive(files)
        let name = "\(prefix)-\(String(UInt64.random(in: 0 ... .max), radix: 36))"
        let labels = [Self.label: owner]
        let made = try await engine.call(
            HTTPRequest(.post, "/volumes/create", body: try Engine.encode(CreateVolume(Name: name, Labels: labels))),
            returning: CreatedVolume.self)
        let mount = HostSettings.Mount(Type: "volume", Source: name, Target: Self.mountPoint, ReadOnly: false)
        let filler = Filler(
            Image: image, Entrypoint: ["\(Self.mountPoint)/agent"], Labels: labels, HostConfig: .init(Mounts: [mount]))
        let reply = try await engine.call(
            HTTPRequest(.post, "/containers/create", query: [("name", name)], body: try Engine.encode(filler)),
            returning: CreateReply.self)
        let path = "/containers/\(HTTPRequest.percentEncoded(reply.Id))"
        do {
            try await engine.call(
                HTTPRequest(
                    .put, "\(path)/archive", query: [("path", Self.mountPoint)],
                    headers: [("Content-Type", "application/x-tar")], body: archive, timeout: .seconds(300)))
        } catch {
            await remove(path, [("force", "true")])
            throw error
        }
        await remove(path, [("force", "true")])
        return Volume(name: name, path: made.Mountpoint ?? "")
    }

    /// Removes the volumes that this server, or one before it, has created, except those that are still mounted.
    func removeAll() async {
        let fillers: [Listed]? = await get("/containers/json", [("all", "true")])
        for filler in fillers ?? [] {
            if let id = filler.Id { await remove("/containers/\(HTTPRequest.percentEncoded(id))", [("force", "true")]) }
        }
        struct Volumes: Decodable { var Volumes: [Listed]? }
        let volumes: Volumes? = await get("/volumes", [])
        for volume in volumes?.Volumes ?? [] {
            if let name = volume.Name { await remove("/volumes/\(HTTPRequest.percentEncoded(name))", []) }
        }
    }

    private struct CreateVolume: Encodable {
        var Name: String
        var Labels: [String: String]
    }

    private struct CreatedVolume: Decodable { var Mountpoint: String? }

    private struct Filler: Encodable {
        struct Host: Encodable {
            var NetworkMode = "none"
            var Mounts: [HostSettings.Mount]
        }
        var Image: String
        var Entrypoint: [String]
        var Labels: [String: String]
        var HostConfig: Host
    }

    private struct Listed: Decodable {
        var Id: String?
        var Name: String?
    }

    private func get<Reply: Decodable>(_ path: String, _ query: [(name: String, value: String)]) async -> Reply? {
        guard let filters = try? Engine.encode(["label": ["\(Self.label)=\(owner)"]]) else { return nil }
        let all: [(name: String, value: String)] = query + [("filters", String(decoding: filters, as: UTF8.self))]
        return try? await engine.call(HTTPRequest(.get, path, query: all, timeout: .seconds(10)), returning: Reply.self)
    }

    private func remove(_ path: String, _ query: [(name: String, value: String)]) async {
        _ = try? await engine.call(HTTPRequest(.delete, path, query: query, timeout: .seconds(10)))
    }
}

extension EngineVolumes {
    /// A file for a volume. It belongs to root.
    struct File {
        var name: String
        var mode: UInt32
        var content: [UInt8]
    }

    fileprivate static func archive(_ files: [File]) throws -> [UInt8] {
        var archive: [UInt8] = []
        var tar = TarWriter { archive.append(contentsOf: $0) }
        for file in files {
            try tar.begin(
                TarEntry(name: Array(file.name.utf8), kind: .file, size: UInt64(file.content.count), mode: file.mode))
            try file.content.withUnsafeBytes { try tar.write($0) }
        }
        try tar.finish()
        return archive
    }
}
