// SPDX-License-Identifier: Apache-2.0

internal import CurlHTTP
internal import FoundationEssentials
internal import Pool

/// Files of this server on an engine that does not see them: in volumes, each made once.
///
/// The engine refuses to copy into a container whose root is read-only. So a container that is never started has the volume
/// mounted read-write, and the copy goes through it.
final class EngineVolumes: Sendable {
    /// On volumes and on the containers that fill them: whose they are.
    static let label = "dev.berth.agent"
    private static let mountPoint = "/.berth"

    struct Volume: Sendable {
        var name: String
        /// Where it is for the engine; empty where it does not say.
        var path: String
    }

    private let engine: Engine
    private let owner: String
    let prefix: String

    /// - Parameters:
    ///   - owner: tells this server's volumes from others', on an engine that several use.
    ///   - prefix: what their names begin with.
    init(_ engine: Engine, owner: String, prefix: String) {
        self.engine = engine
        self.owner = owner
        self.prefix = prefix
    }

    /// - Parameters:
    ///   - image: any that the engine has; nothing of it is run.
    ///   - archive: of what is to be in the volume.
    func make(_ image: String, _ archive: [UInt8]) async throws -> Volume {
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

    /// Removes what this server, or one before it, has made; what is still mounted stays.
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

/// A tar archive (ustar) of files that are root's.
struct FileArchive {
    private(set) var bytes: [UInt8] = []

    mutating func add(_ name: String, mode: Int, _ content: [UInt8]) {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, _ offset: Int) {
            header.replaceSubrange(offset..<offset + text.utf8.count, with: text.utf8)
        }
        func octal(_ number: Int, _ digits: Int) -> String {
            let text = String(number, radix: 8)
            return String(repeating: "0", count: max(0, digits - text.count)) + text
        }
        put(name, 0)
        put(octal(mode, 7), 100)
        put(octal(0, 7), 108)
        put(octal(0, 7), 116)
        put(octal(content.count, 11), 124)
        put(octal(0, 11), 136)
        put("        ", 148)
        put("0", 156)
        put("ustar", 257)
        put("00", 263)
        put(octal(header.reduce(0) { $0 + Int($1) }, 6), 148)
        header[154] = 0
        bytes += header + content + [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
    }

    /// With the two empty blocks of its end.
    var whole: [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }
}
