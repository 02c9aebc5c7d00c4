// SPDX-License-Identifier: Apache-2.0

import Berth

extension Driver {
    /// - Returns: false for a verb that is not known.
    func performOnContext(_ step: inout Step) async throws -> Bool {
        switch step.verb {
        case "open-context": try await open(&step)
        case "fork-context":
            let (of, context) = try context(&step)
            let name = step.text("as") ?? ""
            contexts[name] = (try await client(&step).forkContext(context), contexts[of]?.lease ?? "")
            say("forked \(name)")
        case "close-context":
            let (name, context) = try context(&step)
            try await client(&step).closeContext(context)
            say("closed-context \(name)")
        case "contexts": try await list(&step)
        case "complete": try await complete(&step)
        case "inspect": try await inspect(&step)
        case "events": try await events(&step)
        default: return false
        }
        return true
    }

    private func context(_ step: inout Step) throws -> (name: String, context: Context) {
        let name = step.text("context") ?? ""
        guard let (context, _) = contexts[name] else { throw Failed(description: "there is no context \(name)") }
        return (name, context)
    }

    private func open(_ step: inout Step) async throws {
        let (leaseName, lease, client) = try lease(&step)
        let env = step.all("env").map { divided(String(decoding: $0, as: UTF8.self), at: "=") }
        let context = try await client.openContext(
            step.text("language") ?? "", in: lease, env: Dictionary(env) { $1 }, cwd: step.text("cwd"),
            uid: step.number("uid").map { UInt32($0) })
        let name = step.text("as") ?? ""
        contexts[name] = (context, leaseName)
        say("opened \(name)")
    }

    private func list(_ step: inout Step) async throws {
        let (_, lease, client) = try lease(&step)
        let all = try await client.contexts(in: lease)
        for info in all {
            let state = info.execution.isEmpty ? "idle" : "running"
            say("context \(quoted(info.language.utf8)) pieces=\(info.pieces) \(state)")
        }
        say("contexts \(all.count)")
    }

    private func complete(_ step: inout Step) async throws {
        let (_, context) = try context(&step)
        let found = try await client(&step).complete(step.text("code") ?? "", at: step.number("cursor"), in: context)
        let matches = found.matches.map { " " + quoted($0.utf8) }.joined()
        say("complete start=\(found.start) end=\(found.end)\(matches)")
    }

    private func inspect(_ step: inout Step) async throws {
        let (_, context) = try context(&step)
        let found = try await client(&step).inspect(
            step.text("code") ?? "", at: step.number("cursor"), in: context, detail: step.isSet("detail"))
        for form in sorted(found.data) { say("form \(quoted(form.mime.utf8)) \(shown(form.data))") }
        say("inspected \(found.isFound ? 1 : 0)")
    }

    /// Says what comes, in its order; neighbouring output of one stream is one line.
    private func events(_ step: inout Step) async throws {
        let (name, watched) = try execution(&step)
        let wanted = step.number("shown") ?? .max
        var lines: [String] = []
        var (stream, joined, count) = (OutputStream.stdout, [UInt8](), 0)
        func flush() {
            if !joined.isEmpty { lines.append("\(name) \(stream) \(shown(joined))") }
            joined = []
        }
        do {
            while count < wanted, let event = try await watched.next() {
                if case .output(let output) = event {
                    if output.stream != stream { flush() }
                    stream = output.stream
                    joined += output.data
                    continue
                }
                flush()
                switch event {
                case .display(let display): lines.append("\(name) \(words(display))")
                case .failure(let failure): lines.append("\(name) \(words(failure))")
                case .prompt(let prompt): lines.append("\(name) \(words(prompt))")
                case .dropped(let dropped): lines.append("\(name) dropped \(dropped.stream)=\(dropped.bytes)")
                case .ended(let ended): lines.append("\(name) ended \(shown(ended))")
                case .started, .output, .outputEnded, .unknown: break
                }
                switch event {
                case .display, .failure, .prompt: count += 1
                default: break
                }
            }
            flush()
        } catch let error as BerthError {
            flush()
            lines.append("\(name) error \(error.code.name)")
        }
        guard step.isSet("digest") else { return lines.forEach(say) }
        let digest = crc32(lines.flatMap { Array("\($0)\n".utf8) })
        say("\(name) events \(lines.count) crc32=\(hex(digest, 8))")
    }
}

private func sorted(_ forms: [MimeData]) -> [MimeData] {
    forms.sorted { $0.mime.utf8.lexicographicallyPrecedes($1.mime.utf8) }
}

func words(_ display: Display) -> String {
    var words = "display"
    if !display.id.isEmpty { words += " id=\(shown(Array(display.id.utf8)))" }
    if display.isUpdate { words += " update=1" }
    if display.isResult { words += " result=1" }
    for form in sorted(display.data) { words += " \(quoted(form.mime.utf8))=\(shown(form.data))" }
    let leftOut = display.leftOut.sorted { $0.mime.utf8.lexicographicallyPrecedes($1.mime.utf8) }
    for form in leftOut { words += " left-out=\(quoted(form.mime.utf8)):\(form.bytes)" }
    return words
}

func words(_ failure: Failure) -> String {
    var words = "failure \(quoted(failure.name.utf8))"
    if !failure.message.isEmpty { words += " \(shown(Array(failure.message.utf8)))" }
    if let line = failure.traceback.last { words += " last=\(shown(Array(line.utf8)))" }
    return words
}

func words(_ prompt: Prompt) -> String {
    "prompt \(shown(Array(prompt.text.utf8)))" + (prompt.isPassword ? " password=1" : "")
}
