// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Synchronization

/// The answers of the stub engine.
extension StubEngine {
    struct Request: Sendable {
        var method: String
        /// The path without version and query.
        var path: [String]
        var query: [String: String]
        var body: [UInt8]
    }

    enum Answer: Sendable {
        case whole(Int, String)
        case never
        /// The head is sent at once, the body when the container has ended.
        case whenEnded(String)
    }

    static let words404 = #"{"message":"page not found"}"#

    func call(of request: Request) -> (Call, String) {
        let path = request.path
        switch (request.method, path.first, path.last) {
        case (_, "version", _): return (.version, "")
        case ("GET", "info", _): return (.info, "")
        case ("POST", "images", "create"): return (.pull, "")
        case ("GET", "images", _): return (.imageInspect, path.dropFirst().dropLast().joined(separator: "/"))
        case ("GET", "distribution", _): return (.distribution, "")
        case ("POST", "containers", "create") where request.query["name"]?.contains("-image-") == true:
            return (.look, "")
        case ("POST", "containers", "create"): return (.create, request.query["name"] ?? "")
        case ("GET", "containers", "json") where path.count == 2: return (.list, "")
        default: break
        }
        guard path.count >= 2, path[0] == "containers" else { return (.other, "") }
        switch (request.method, path.last) {
        case ("POST", "start"): return (.start, path[1])
        case ("POST", "wait"): return (.wait, path[1])
        case ("GET", "json"): return (.inspect, path[1])
        case ("GET", "archive"): return (.archive, path[1])
        case ("DELETE", _) where path[1].contains("-image-"): return (.look, "")
        case ("DELETE", _): return (.remove, path[1])
        default: return (.other, "")
        }
    }

    func answer(_ request: Request) async -> Answer {
        let (call, name) = call(of: request)
        let faults = state.withLock { state in
            state.calls[call, default: 0] += 1
            return state.faults
        }
        if faults.neverAnswers.contains(call) { return .never }
        if let delay = faults.delay { try? await Task.sleep(for: delay) }
        switch call {
        case .version:
            return .whole(
                200, faults.version ?? #"{"Version":"1.0-stub","ApiVersion":"1.41","MinAPIVersion":"1.12"}"#)
        case .imageInspect:
            return faults.imageIsMissing
                ? .whole(404, #"{"message":"No such image: \#(name)"}"#) : .whole(200, #"{"Id":"sha256:stub"}"#)
        case .look: return .whole(201, #"{"Id":"stub-image","Warnings":[]}"#)
        case .info: return .whole(200, faults.info ?? #"{"SecurityOptions":["name=seccomp,profile=default"]}"#)
        case .archive: return .whole(404, #"{"message":"Could not find the file"}"#)
        case .distribution:
            if let error = faults.pull { return .whole(404, Self.fault(error)) }
            return .whole(200, "{}")
        case .pull: return await pull(faults)
        case .list: return .whole(200, list(request))
        case .create: return create(name, request, faults)
        case .start: return start(name, faults)
        case .wait where isFalseEnd():
            return .whole(200, #"{"StatusCode":-1,"Error":{"Message":"database is locked"}}"#)
        case .wait: return state.withLock { $0.containers[name] != nil } ? .whenEnded(name) : noContainer(name)
        case .inspect: return state.withLock { $0.containers[name] != nil } ? .whole(200, "{}") : noContainer(name)
        case .remove: return remove(name, faults)
        case .other: return .whole(404, Self.words404)
        }
    }

    private func isFalseEnd() -> Bool {
        state.withLock { state in
            guard state.faults.falseEnds > 0 else { return false }
            state.faults.falseEnds -= 1
            return true
        }
    }

    private func noContainer(_ name: String) -> Answer { .whole(404, #"{"message":"No such container: \#(name)"}"#) }

    static func fault(_ message: String) -> String {
        let body = (try? JSONEncoder().encode(["message": message])) ?? Data()
        return String(decoding: body, as: UTF8.self)
    }

    private func pull(_ faults: Faults) async -> Answer {
        if let duration = faults.pullDuration { try? await Task.sleep(for: duration) }
        if let error = faults.pull {
            let body = (try? JSONEncoder().encode(["error": error])) ?? Data()
            return .whole(200, "{\"status\":\"Pulling\"}\r\n" + String(decoding: body, as: UTF8.self) + "\r\n")
        }
        state.withLock { $0.faults.imageIsMissing = false }
        return .whole(200, "{\"status\":\"Pulling\"}\r\n{\"status\":\"Downloaded\"}\r\n")
    }

    private struct CreateBody: Decodable {
        struct Host: Decodable { var Mounts: [Mount]? }
        struct Mount: Decodable { var Source: String, Target: String }
        var Labels: [String: String]?
        var HostConfig: Host?
    }

    private func create(_ name: String, _ request: Request, _ faults: Faults) -> Answer {
        if let failure = faults.create { return .whole(failure.status, Self.fault(failure.message)) }
        guard let body = try? JSONDecoder().decode(CreateBody.self, from: Data(request.body)) else {
            return .whole(400, #"{"message":"the body is no JSON"}"#)
        }
        return state.withLock { state in
            guard state.containers[name] == nil else {
                return .whole(409, #"{"message":"Conflict. The container name \"/\#(name)\" is already in use"}"#)
            }
            let id = "stub\(state.nextID)"
            state.nextID += 1
            state.containers[name] = Container(
                id: id, labels: body.Labels ?? [:], body: String(decoding: request.body, as: UTF8.self),
                socketDirectory: body.HostConfig?.Mounts?.first { $0.Target == "/.berth/run" }?.Source)
            state.mostContainers = max(state.mostContainers, state.containers.count)
            return .whole(201, #"{"Id":"\#(id)","Warnings":[]}"#)
        }
    }

    private func start(_ name: String, _ faults: Faults) -> Answer {
        guard state.withLock({ $0.containers[name] != nil }) else { return noContainer(name) }
        if let failure = faults.start { return .whole(failure.status, Self.fault(failure.message)) }
        launch(name)
        return .whole(204, "")
    }

    private func remove(_ name: String, _ faults: Faults) -> Answer {
        if let failure = faults.remove { return .whole(failure.status, Self.fault(failure.message)) }
        guard state.withLock({ $0.containers[name] != nil }) else { return noContainer(name) }
        let conflicts = state.withLock { state in
            guard state.faults.removeConflicts > 0 else { return false }
            state.faults.removeConflicts -= 1
            return true
        }
        if conflicts { return .whole(409, #"{"message":"removal of container \#(name) is already in progress"}"#) }
        finish(name, code: 137)
        return .whole(204, "")
    }

    private func list(_ request: Request) -> String {
        struct Summary: Encodable { var Id: String, Labels: [String: String] }
        struct Filters: Decodable { var label: [String]? }
        let filters = request.query["filters"].flatMap { try? JSONDecoder().decode(Filters.self, from: Data($0.utf8)) }
        let wanted = filters?.label ?? []
        let found = state.withLock { Array($0.containers.values) }.filter { container in
            wanted.allSatisfy { label in container.labels.contains { "\($0.key)=\($0.value)" == label } }
        }
        let body = try? JSONEncoder().encode(found.map { Summary(Id: $0.id, Labels: $0.labels) })
        return String(decoding: body ?? Data(), as: UTF8.self)
    }
}
