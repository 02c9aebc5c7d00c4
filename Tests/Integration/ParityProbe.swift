// SPDX-License-Identifier: Apache-2.0

import Berth
import Foundation
import Testing
import TestSupport

/// Builds the probe, and has it run in two members of a runtime: as their agent, and as a program beside the real agent.
enum ParityProbe {
    typealias Items = [String: String]

    /// None is a default, so that what is seen is the template's doing.
    private static let template = """
        pools:
          default:
            size: 2
            max: 2
            memory: 96m
            processes: 64
            cpus: 0.5
            open_files: 777
            tmpfs: 32m
        """

    static func observe(_ runtime: Runtime) async throws -> Sightings {
        let name = "bp\(UUID().uuidString.prefix(8).lowercased())"
        let folder = "/tmp/berth-\(name)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let binary = "\(folder)/probe"
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Parity/probe.c"
        let compiler = try Program(
            try tool("cc"),
            ["-static", "-O1", "-Wall", "-Wextra", "-Werror", "-DNAME=\"\(name)\"", "-o", binary, source])
        guard try await compiler.end() == 0 else { throw NeverHappened(description: "cc: \(compiler.err)") }
        let configuration = "\(folder)/berth.yaml"
        try template.write(toFile: configuration, atomically: true, encoding: .utf8)
        let flags = ["--config", configuration]
        // An agent that does not answer is a failed create, and no other follows soon: a server for each.
        var agents: [Items] = []
        for _ in 0..<2 { agents.append(try await asAgent(runtime, flags + ["--agent", binary], name)) }
        let programs = try await asPrograms(runtime, flags, binary)
        return Sightings(members: zip(agents, programs).map { $0.merging($1) { first, _ in first } })
    }

    /// The probe in the place of the agent tells no server anything, and stays until its member is given up.
    private static func asAgent(_ runtime: Runtime, _ flags: [String], _ name: String) async throws -> Items {
        var found = Items()
        try await ServerProcess.with(runtime, flags) { server in
            try await eventually("the probe was process 1 of a member", within: .seconds(60)) {
                for pid in processes(named: name) {
                    guard let text = try? String(contentsOfFile: "/proc/\(pid)/root/tmp/parity", encoding: .utf8),
                        text.hasSuffix("complete\tyes\n")
                    else { continue }
                    found = items(normal(text, server.instance), "agent")
                }
                return !found.isEmpty
            }
        }
        return found
    }

    private static func asPrograms(_ runtime: Runtime, _ flags: [String], _ binary: String) async throws -> [Items] {
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: binary)))
        var found: [Items] = []
        try await ServerProcess.with(runtime, flags) { server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            let leases = [try await client.acquire(), try await client.acquire()]
            for lease in leases {
                let copy = Command(["sh", "-c", "cat > /tmp/probe && chmod 755 /tmp/probe"], stdin: bytes)
                #expect(try await client.run(copy, in: lease).ended.exitCode == 0)
                let output = try await client.run(Command(["/tmp/probe"]), in: lease)
                guard output.ended.exitCode == 0, output.text.hasSuffix("complete\tyes\n") else {
                    throw NeverHappened(description: "the probe: \(output.ended) \(output.errorText)")
                }
                found.append(items(normal(output.text, server.instance), "program"))
            }
        }
        return found
    }

    private static func processes(named name: String) -> [String] {
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return entries.filter { pid in
            Int32(pid) != nil && (try? String(contentsOfFile: "/proc/\(pid)/comm", encoding: .utf8)) == "\(name)\n"
        }
    }

    /// What is different in each member, and should be, by a name of its own: ids, paths, what this server is called.
    private static func normal(_ text: String, _ instance: String) -> String {
        var text = text.replacingOccurrences(of: instance, with: "INSTANCE")
        let hostname = text.split(separator: "\n").first { $0.hasPrefix("hostname\t") }.map { String($0.dropFirst(9)) }
        if let hostname { text = text.replacingOccurrences(of: hostname, with: "MEMBER") }
        let patterns = [
            // The programs' user, of the range `uids`.
            (#"(?<![0-9a-fx])[789][0-9]{4}(?![0-9a-f])"#, "UID"),
            // A container's id.
            (#"[0-9a-f]{64}"#, "CONTAINER"),
            (#"(lowerdir|upperdir|workdir)=[^,\t\n]*"#, "$1=PATH"),
            (#"/(docker/CONTAINER|berth-INSTANCE-[0-9a-f]{1,8}/MEMBER)"#, "/OWN"),
            (#"cgroup from (/|/OWN) of"#, "cgroup from its own of"),
            (#"/tmp/berth-bp[0-9a-f]{8}/"#, "/tmp/BUILT/"),
            // What is masked, by the null device of /dev, whose options are told there.
            (#"tmpfs from /null of tmpfs, .*"#, "the null device"),
        ]
        for (pattern, name) in patterns {
            text = text.replacingOccurrences(of: pattern, with: name, options: .regularExpression)
        }
        return text
    }

    /// Lines by item; of several with the same name each gets a number.
    private static func items(_ text: String, _ place: String) -> Items {
        // Numbers of processes, and whether one sleeps just now, say nothing; the table of mounts is told already.
        let numbers = ["State", "Pid", "Tgid", "PPid", "NSpid", "NStgid", "NSpgid", "NSsid"]
        var left = numbers.flatMap { ["status \($0)", "status of 1 \($0)"] } + ["file /etc/mtab"]
        // With runc it is set when the agent runs already, and before a program does.
        if place == "agent" { left.append("limit /sys/fs/cgroup/memory/memory.kmem.tcp.limit_in_bytes") }
        var items = Items()
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "\t", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2, !left.contains(parts[0]) else { continue }
            var (item, value) = ("\(place): \(parts[0])", parts[1])
            if parts[0].hasPrefix("namespace ") {
                value = namespace(String(parts[0].dropFirst(10)), value)
            } else {
                value = value.replacingOccurrences(of: #":\[[0-9]+\]"#, with: ":[N]", options: .regularExpression)
            }
            var count = 1
            while items[item] != nil {
                count += 1
                item = "\(place): \(parts[0]) (\(count))"
            }
            items[item] = value
        }
        return items
    }

    private static func namespace(_ kind: String, _ seen: String) -> String {
        let host = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/\(kind)")
        return !seen.contains("[") ? seen : seen == host ? "the host's" : "its own"
    }
}
