// SPDX-License-Identifier: Apache-2.0

internal import CurlHTTP
internal import FoundationEssentials
internal import Logging
internal import Pool
internal import Synchronization

/// The agent on an engine that does not see this server's files: a volume that holds it, made once and mounted read-only
/// into every member.
///
/// Copied into each container, the agent would be 7 MB a member, and the engine refuses to copy into one whose root is
/// read-only. So a container that is never started has the volume mounted read-write, and the copy goes through it.
final class AgentVolume: Sendable {
    /// Where it is mounted; the agent is `agent` in it.
    static let mountPoint = "/.berth"
    /// On volumes and on the container that fills one: whose they are.
    static let label = "dev.berth.agent"

    private let engine: Engine
    private let agentPath: String
    private let owner: String
    private let prefix: String
    private let logger: Logger
    private let making = Mutex<Task<String, any Error>?>(nil)
    private let asked = Mutex(false)
    /// Whether there may be anything to remove.
    var isUsed: Bool { asked.withLock { $0 } }

    /// - Parameters:
    ///   - owner: tells this server's volumes from others', on an engine that several use.
    ///   - prefix: what their names begin with.
    init(_ engine: Engine, agentPath: String, owner: String, prefix: String, logger: Logger) {
        self.engine = engine
        self.agentPath = agentPath
        self.owner = owner
        self.prefix = prefix
        self.logger = logger
    }

    /// The volume's name; made when it is first asked for.
    /// - Parameter image: any that the engine has; nothing of it is run.
    func name(image: String) async throws -> String {
        asked.withLock { $0 = true }
        let task = making.withLock { making in
            if let task = making { return task }
            let task = Task { [self] in
                do {
                    await removeOld()
                    return try await make(image)
                } catch {
                    forget()
                    throw error
                }
            }
            making = task
            return task
        }
        guard let outcome = await abandonable(task) else { throw CancellationError() }
        return try outcome.get()
    }

    /// After a container with it did not start: somebody may have removed it.
    func forget() { making.withLock { $0 = nil } }

    /// Removes what this server, or one before it, has made; what is still mounted stays.
    func removeOld() async {
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

    private func make(_ image: String) async throws -> String {
        struct Volume: Encodable {
            var Name: String
            var Labels: [String: String]
        }
        struct Filler: Encodable {
            struct Host: Encodable {
                var NetworkMode = "none"
                var Mounts: [HostSettings.Mount]
            }
            var Image: String
            var Entrypoint = ["\(AgentVolume.mountPoint)/agent"]
            var Labels: [String: String]
            var HostConfig: Host
        }
        guard let content = try? Data(contentsOf: URL(fileURLWithPath: agentPath)) else {
            throw RuntimeError(.failed, "\(agentPath) can't be read")
        }
        let name = "\(prefix)-\(String(UInt64.random(in: 0 ... .max), radix: 36))"
        let labels = [Self.label: owner]
        try await engine.call(
            HTTPRequest(.post, "/volumes/create", body: try Engine.encode(Volume(Name: name, Labels: labels))))
        let mount = HostSettings.Mount(Type: "volume", Source: name, Target: Self.mountPoint, ReadOnly: false)
        let filler = Filler(Image: image, Labels: labels, HostConfig: .init(Mounts: [mount]))
        let reply = try await engine.call(
            HTTPRequest(.post, "/containers/create", query: [("name", name)], body: try Engine.encode(filler)),
            returning: CreateReply.self)
        let path = "/containers/\(HTTPRequest.percentEncoded(reply.Id))"
        do {
            try await engine.call(
                HTTPRequest(
                    .put, "\(path)/archive", query: [("path", Self.mountPoint)],
                    headers: [("Content-Type", "application/x-tar")], body: Self.archive(Array(content)),
                    timeout: .seconds(300)))
        } catch {
            await remove(path, [("force", "true")])
            throw error
        }
        await remove(path, [("force", "true")])
        logger.info("the agent is on the engine", metadata: ["volume": "\(name)", "agent.bytes": "\(content.count)"])
        return name
    }

    /// A tar archive (ustar) of one file, `agent`, root's and executable.
    static func archive(_ content: [UInt8]) -> [UInt8] {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, _ offset: Int) {
            header.replaceSubrange(offset..<offset + text.utf8.count, with: text.utf8)
        }
        func octal(_ number: Int, _ digits: Int) -> String {
            let text = String(number, radix: 8)
            return String(repeating: "0", count: max(0, digits - text.count)) + text
        }
        put("agent", 0)
        put(octal(0o555, 7), 100)
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
        let padding = (512 - content.count % 512) % 512
        return header + content + [UInt8](repeating: 0, count: padding + 1024)
    }
}
