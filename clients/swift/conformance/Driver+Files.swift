// SPDX-License-Identifier: Apache-2.0

import Berth

extension Driver {
    /// - Returns: false for a verb that is not known.
    func performOnFile(_ step: inout Step) async throws -> Bool {
        switch step.verb {
        case "write-file": try await writeFile(&step)
        case "read-file": try await readFile(&step)
        case "list": try await list(&step)
        case "stat": try await stat(&step)
        case "make-directory", "rename", "change-mode", "remove": try await change(&step)
        case "read-archive": try await readArchive(&step)
        case "write-archive": try await writeArchive(&step)
        default: return false
        }
        return true
    }

    private func writeFile(_ step: inout Step) async throws {
        let (_, lease, client) = try lease(&step)
        let (path, data) = (step.path(), repeated(step.bytes("data") ?? [], step.number("repeat")))
        try await client.writeFile(
            path, data, in: lease, mode: step.octal("mode"), createsParents: step.isSet("parents"))
        say("wrote \(quoted(path.bytes))")
    }

    private func readFile(_ step: inout Step) async throws {
        let (_, lease, client) = try lease(&step)
        let path = step.path()
        let content = client.readFile(
            path, in: lease, offset: UInt64(step.number("offset") ?? 0),
            length: step.number("length").map { UInt64($0) })
        let bytes = try await content.collect()
        guard let info = content.info else { throw Failed(description: "nothing is known of the file") }
        say("file \(quoted(path.bytes)) size=\(info.size) mode=\(octal(info.mode))")
        if !bytes.isEmpty { say("data \(shown(bytes))") }
    }

    private func list(_ step: inout Step) async throws {
        let (_, lease, client) = try lease(&step)
        let entries = try await client.list(step.path(), in: lease)
        for entry in entries { say("entry \(words(entry))") }
        say("listed \(entries.count)")
    }

    private func stat(_ step: inout Step) async throws {
        let (_, lease, client) = try lease(&step)
        let info = try await client.stat(step.path(), in: lease, followsLink: step.isSet("follow"))
        say("info \(words(info))" + (info.linkTarget.isEmpty ? "" : " target=\(quoted(info.linkTarget))"))
    }

    private func words(_ info: FileInfo) -> String {
        let size = info.type == .regular ? " size=\(info.size)" : ""
        return "\(quoted(info.name.bytes)) \(snakeCase("\(info.type)"))\(size) mode=\(octal(info.mode))"
    }

    private func change(_ step: inout Step) async throws {
        let (_, lease, client) = try lease(&step)
        let path = step.path()
        switch step.verb {
        case "make-directory":
            try await client.makeDirectory(
                path, in: lease, mode: step.octal("mode"), createsParents: step.isSet("parents"))
            say("made \(quoted(path.bytes))")
        case "rename":
            try await client.rename(path, to: step.path("to"), in: lease, neverReplaces: step.isSet("no_replace"))
            say("renamed \(quoted(path.bytes))")
        case "change-mode":
            try await client.changeMode(path, to: step.octal("mode") ?? 0, in: lease)
            say("changed \(quoted(path.bytes))")
        default:
            try await client.remove(path, in: lease, recursive: step.isSet("recursive"))
            say("removed \(quoted(path.bytes))")
        }
    }

    private func readArchive(_ step: inout Step) async throws {
        let (_, lease, client) = try lease(&step)
        let name = step.text("as") ?? ""
        archives[name] = try await client.readArchive(step.path(), in: lease).collect()
        say("archive \(name)")
    }

    private func writeArchive(_ step: inout Step) async throws {
        let (_, lease, client) = try lease(&step)
        let archive = archives[step.text("archive") ?? ""] ?? []
        say("unpacked files=\(try await client.writeArchive(into: step.path(), archive, in: lease))")
    }
}
