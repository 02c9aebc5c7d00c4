// SPDX-License-Identifier: Apache-2.0

internal import CurlHTTP
internal import FoundationEssentials
internal import Logging
internal import Pool

/// What the API tells of objects of one kind: a list, then a watch for what changes, over gaps and failures.
struct ObjectFeed<Object: WatchedObject>: Sendable {
    /// The API ends a watch after this time, and it begins anew.
    private static var length: Int { 240 }

    let api: KubernetesAPI
    let path: String
    /// Of labels; nil is all objects.
    var selector: String?
    let logger: Logger
    /// The names of those that are known, so that one that is in no list any more is told to be gone.
    let known: @Sendable () -> Set<String>
    let take: @Sendable (Sight<Object>, String) -> Void

    /// Goes on until its task is cancelled.
    /// - Throws: `APIRefusal` with 403 if this server may not see them.
    func run() async throws(APIRefusal) {
        var failures = 0
        var version: String?
        while !Task.isCancelled {
            do {
                var from: String
                if let version { from = version } else { from = try await list() }
                defer { version = from }
                try await watch(&from)
                failures = 0
            } catch let refusal as APIRefusal where refusal.status == 410 {
                // What has changed since then is forgotten: everything is looked at anew.
                version = nil
                failures += 1
            } catch let refusal as APIRefusal where refusal.status == 403 && version == nil {
                throw refusal
            } catch {
                guard !Task.isCancelled else { return }
                failures += 1
                // After that, a list says more than a watch that fails again and again.
                if failures > 3 { version = nil }
                logger.debug(
                    "a watch broke",
                    metadata: ["api.path": "\(path)", "runtime.reason": "\(api.access.explain(error).message)"])
            }
            let pause = min(Duration.milliseconds(100) * (1 << min(failures, 6)), .seconds(5))
            try? await Task.sleep(for: pause * Double.random(in: 0.5...1))
        }
    }

    /// Takes a list of all. Those that are not in it are gone.
    private func list() async throws -> String {
        // One that is seen meanwhile may be younger than the list.
        let known = known()
        let list: ObjectList<Object> = try await api.list(path, selector: selector)
        for name in known.subtracting(list.items.map(\.name)) { take(.gone, name) }
        for object in list.items { take(.seen(object), object.name) }
        return list.metadata?.resourceVersion ?? "0"
    }

    private func watch(_ version: inout String) async throws {
        var query = [
            ("watch", "true"), ("allowWatchBookmarks", "true"), ("resourceVersion", version),
            ("timeoutSeconds", "\(Self.length)"),
        ]
        if let selector { query.append(("labelSelector", selector)) }
        let request = HTTPRequest(.get, path, query: query, timeout: .seconds(Self.length + 30))
        var last = version
        defer { version = last }
        try await api.lines(request) { line in
            let event: WatchEvent<Object> = try KubernetesAPI.decode(line)
            switch event.content {
            case .changed(let object):
                last = object.metadata.resourceVersion ?? last
                take(.seen(object), object.name)
            case .deleted(let object):
                last = object.metadata.resourceVersion ?? last
                take(.gone, object.name)
            case .bookmark(let version): last = version ?? last
            case .refused(let status):
                throw APIRefusal(
                    status: status.code ?? 500, reason: status.reason ?? "",
                    message: status.message ?? "the watch failed")
            case .unknown: break
            }
        }
    }
}
