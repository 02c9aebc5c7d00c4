// SPDX-License-Identifier: Apache-2.0

package import Berth
import Synchronization

/// Serves one client of the Model Context Protocol: takes its messages, and runs the calls of its tools.
///
/// Messages are handled one after another, on whatever thread brings them. What takes time is a task for each call.
package final class ModelServer: Sendable {
    /// Maximum number of messages in an array.
    private static let maxBatch = 64
    /// How long a client may keep lists: they never change.
    private static let listLifetime = 3_600_000

    struct State {
        var negotiation = Negotiation()
        var calls: [RequestID: Call] = [:]
        var sessions: SessionBook<Session>
        /// The task that ends idle sessions; nil while there are none.
        var housekeeping: Task<Void, Never>?
        var isEnding = false
    }

    let settings: ModelServerSettings
    let client: BerthClient
    let output: OutputQueue
    let log: @Sendable (String) -> Void
    let state: Mutex<State>

    package init(
        _ settings: ModelServerSettings, client: BerthClient, output: OutputQueue,
        log: @escaping @Sendable (String) -> Void
    ) {
        self.settings = settings
        self.client = client
        self.output = output
        self.log = log
        state = Mutex(
            State(sessions: SessionBook(limit: settings.maxSessions, idleTime: settings.sessionIdleTime)))
    }

    // MARK: Messages

    package func take(_ line: LineSplitter.Line) {
        switch line {
        case .tooLong(let bytes, let id):
            refuse(
                id,
                .invalidRequest(
                    "the message has \(bytes) bytes, and may have \(settings.maxMessage): write large files in parts"))
        case .message(let bytes):
            let value: JSONValue
            do throws(JSONError) {
                value = try JSONParser.parse(bytes)
            } catch {
                // Perhaps its id can still be read, so that nobody waits for it.
                var scanner = IdentityScanner()
                scanner.scan(bytes)
                return refuse(scanner.id, .notJSON(error))
            }
            if let batch = value.array {
                take(batch)
            } else {
                take(value) { [output] answer in if let answer { output.send(answer) } }
            }
        }
    }

    /// Several messages at once, whose answers go back together.
    private func take(_ batch: [JSONValue]) {
        guard state.withLock({ $0.negotiation.settled?.hasBatches == true }) else {
            return refuse(
                nil, .invalidRequest("several messages in an array are part of protocol version 2025-03-26 alone"))
        }
        guard !batch.isEmpty, batch.count <= ModelServer.maxBatch else {
            return refuse(nil, .invalidRequest("an array must have 1 to \(ModelServer.maxBatch) messages"))
        }
        let answers = BatchAnswers { [output] in output.send($0) }
        for message in batch { take(message, send: answers.slot()) }
        answers.close()
    }

    /// - Parameter send: is called once with the answer if there is one, or with nil if there is none.
    private func take(_ message: JSONValue, send: @escaping @Sendable (JSONValue?) -> Void) {
        let incoming: Incoming
        do throws(Incoming.Refusal) {
            incoming = try Incoming(message)
        } catch {
            log("refused: \(error.failure.message)")
            return send(Answer.error(error.id, error.failure))
        }
        switch incoming {
        case .request(let request):
            do throws(ProtocolFailure) {
                try take(request, send)
            } catch {
                log("refused \(request.method.shortened): \(error.message)")
                send(Answer.error(request.id, error))
            }
        case .notification("notifications/cancelled", let params):
            if let id = params["requestId"].flatMap({ RequestID($0) }) { cancel(id) }
            send(nil)
        case .notification, .response: send(nil)
        }
    }

    private func refuse(_ id: RequestID?, _ failure: ProtocolFailure) {
        log("refused: \(failure.message)")
        output.send(Answer.error(id, failure))
    }

    private func take(
        _ request: Incoming.Request, _ send: @escaping @Sendable (JSONValue?) -> Void
    ) throws(ProtocolFailure) {
        let version = try state.withLock { state throws(ProtocolFailure) in
            guard state.calls[request.id] == nil else {
                throw .invalidRequest("the id \(request.id) is that of a call that is still under way")
            }
            return try state.negotiation.version(of: request)
        }
        func answer(_ result: JSONObject) {
            send(Answer.result(request.id, result, version, serverVersion: settings.version))
        }
        switch request.method {
        case "initialize": answer(initialized(version))
        case "ping" where version.hasHandshake: answer(JSONObject())
        case "server/discover" where !version.hasHandshake: answer(discovered)
        case "tools/list":
            guard request.params["cursor"] ?? .null == .null else {
                throw .invalidParameters("there is no such \"cursor\": all tools are in one list")
            }
            answer(tools(version))
        case "tools/call": try call(request, version, send)
        default: throw .unknownMethod(request.method)
        }
    }

    // MARK: What it is

    private func initialized(_ version: ProtocolVersion) -> JSONObject {
        JSONObject([
            ("protocolVersion", .string(version.rawValue)), ("capabilities", ["tools": [:]]),
            ("serverInfo", Answer.serverInfo(settings.version)), ("instructions", .string(ModelServer.instructions)),
        ])
    }

    private var discovered: JSONObject {
        JSONObject([
            ("supportedVersions", .array(ProtocolVersion.stateless.map { .string($0.rawValue) })),
            ("capabilities", ["tools": [:]]), ("instructions", .string(ModelServer.instructions)),
            ("ttlMs", JSONValue(ModelServer.listLifetime)), ("cacheScope", "private"),
        ])
    }

    private func tools(_ version: ProtocolVersion) -> JSONObject {
        var result = JSONObject([
            ("tools", .array(Tool.allCases.map { $0.definition(version, settings.stated) }))
        ])
        if !version.hasHandshake {
            result["ttlMs"] = JSONValue(ModelServer.listLifetime)
            result["cacheScope"] = "private"
        }
        return result
    }

    /// For the model, once: what the tools' descriptions do not say.
    static let instructions = """
        Runs code and commands in Linux containers that are ready at once. For a single calculation, call run_code. For \
        work in several steps, call start_session first and pass its `session` to the other tools: variables and files \
        are then kept between calls. The containers usually have no network, so that nothing can be downloaded or \
        installed, and they see no files of the user: write what is needed with write_file. Of long output the last \
        16 KiB are returned: write large results to a file, and read the parts that matter.
        """
}
