// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CHost
import Configuration
import Console
import FileTree
import FoundationEssentials
import Housekeeping
import Pool

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

struct SupportBundle: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "support-bundle",
        abstract: "Collect into one archive what helps to find a fault, without secrets.",
        discussion: """
            Writes a tar archive with the end of the server's log, its configuration, what berth doctor says, the figures \
            of the running server and the versions of what it works with. Tokens, private keys, the values of variables \
            in the configuration and the code of "warmup" are removed. Look at it before you give it away: the log and \
            the figures name pools, tenants, addresses and files.

              berth support-bundle
              berth support-bundle --config berth.yaml --log berth.log --output bundle.tar
            """)

    /// Where the package keeps it.
    private static let standardConfiguration = "/etc/berth/berth.yaml"
    /// Maximum bytes of each part: of a longer one, the end is taken.
    private static let maxPart = 4 << 20
    /// How long a command may take.
    private static let patience: Int32 = 60

    @Option(
        help: ArgumentHelp(
            "The server's configuration file (default: \(standardConfiguration), if there is one).", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("The server's log (default: the journal of its unit).", valueName: "file"))
    var log: String?

    @Option(help: ArgumentHelp("The server's unit in systemd, whose journal is taken.", valueName: "name"))
    var unit = "berth.service"

    @Option(
        help: ArgumentHelp("The archive to write (default: berth-support-TIME.tar, here).", valueName: "file"))
    var output: String?

    @OptionGroup var server: ServerOptions

    mutating func run() async throws {
        let now = time(nil)
        let name = "berth-support-\(utc(now).filter(\.isNumber))"
        let path = output ?? "\(name).tar"
        let file = config ?? (access(Self.standardConfiguration, R_OK) == 0 ? Self.standardConfiguration : nil)
        var parts: [(name: String, bytes: [UInt8])] = []
        var secrets = ["BERTH_TOKEN"].compactMap { ProcessInfo.processInfo.environment[$0] }
        if let file {
            let (text, found) = Self.settings(file)
            secrets += found
            parts.append(("configuration.yaml", Array(text.utf8)))
        }
        parts.append(("versions.txt", Array(versions().utf8)))
        parts.append(("doctor.txt", own(["doctor"] + (file.map { ["--config", $0] } ?? []))))
        let address = server.server.map { ["--server", $0] } ?? []
        parts.append(("stats.json", own(["stats", "--json"] + address)))
        parts.append(("members.json", own(["admin", "members", "--json"] + address)))
        parts.append(("log.txt", logText()))
        let filter = SecretFilter(secrets)
        parts = parts.map { ($0.name, filter.clean($0.bytes)) }
        try write(
            [("README.txt", Array(Self.explanation(parts.map(\.name), now).utf8))] + parts, in: name, to: path, now)
        try printLine(path)
        printErrorLine("berth: look at it before you give it away: tar -xOf \(path) | less")
    }

    private static func explanation(_ names: [String], _ now: Int) -> String {
        """
        Collected by berth \(Version.current) support-bundle at \(utc(now)).

        \(names.joined(separator: "\n"))

        Tokens, private keys, the values of variables in the configuration ("env") and the code of "warmup" were removed.
        The audit log, the file of tokens and the files of TLS are not in it.

        """
    }

    // MARK: Parts

    /// All settings without secrets, and the secrets. What can't be read is no part: it may hold some that are not known.
    private static func settings(_ file: String) -> (text: String, secrets: [String]) {
        do {
            let (configuration, _) = try ConfigurationSource(file: file, flags: []).read()
            return ("# \(file), with defaults\n" + configuration.withoutSecrets.yaml, configuration.secrets)
        } catch let mistakes as ConfigurationMistakes {
            return ("# \(file) has \(mistakes.issues.count) mistakes: see doctor.txt\n", [])
        } catch {
            return ("# \((error as? Failure)?.message ?? "\(error)")\n", [])
        }
    }

    private func versions() -> String {
        var system = utsname()
        uname(&system)
        func text<Tuple>(_ field: Tuple) -> String {
            withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        }
        let os =
            (try? String(contentsOfFile: "/etc/os-release", encoding: .utf8))?.split(separator: "\n")
            .first { $0.hasPrefix("PRETTY_NAME=") }.map { $0.dropFirst("PRETTY_NAME=".count) } ?? "unknown"
        var lines = [
            "berth \(Version.current)", "system \(os)",
            "kernel \(text(system.release)) \(text(system.version)) \(text(system.machine))",
            "cgroup \(access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0 ? "v2" : "v1")",
            "user \(geteuid())",
        ]
        for command in [
            ["runc", "--version"], ["docker", "--version"], ["podman", "--version"], ["systemctl", "--version"],
        ] {
            guard let path = Subprocess.find(command[0]) else { continue }
            let said = String(decoding: Self.output([path] + command.dropFirst()), as: UTF8.self)
            lines.append("\(command[0]): \(said.split(separator: "\n").first ?? "")")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func logText() -> [UInt8] {
        if let log {
            let descriptor = open(log, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
            guard descriptor >= 0 else { return Array("\(log): \(String(cString: strerror(errno)))\n".utf8) }
            defer { close(descriptor) }
            return Self.tail(descriptor)
        }
        guard let journalctl = Subprocess.find("journalctl") else {
            return Array("there is no journalctl here; --log names the server's log\n".utf8)
        }
        return Self.output([
            journalctl, "--unit", unit, "--lines", "20000", "--no-pager", "--quiet", "--output", "short-iso",
        ])
    }

    /// What a command of this program says.
    private func own(_ arguments: [String]) -> [UInt8] {
        var path = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = readlink("/proc/self/exe", &path, path.count - 1)
        guard length > 0 else { return Array("/proc/self/exe: \(String(cString: strerror(errno)))\n".utf8) }
        let program = String(decoding: path.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return Self.output([program] + arguments)
    }

    private static func output(_ argv: [String]) -> [UInt8] {
        let capture = berth_memory_file()
        guard capture >= 0 else { return Array("memfd_create: \(String(cString: strerror(-capture)))\n".utf8) }
        defer { close(capture) }
        var words = ""
        do throws(RuntimeError) {
            let variables = ProcessInfo.processInfo.environment.map { "\($0.key)=\($0.value)" }
            _ = try Subprocess.run(
                argv, stdout: capture, stderr: capture, environment: variables, seconds: patience, Cancellation())
        } catch {
            words = "\(error.message)\n"
        }
        return tail(capture) + Array(words.utf8)
    }

    private static func tail(_ descriptor: Int32) -> [UInt8] {
        var info = stat()
        guard fstat(descriptor, &info) == 0 else { return [] }
        let size = Int(info.st_size)
        var bytes = [UInt8](repeating: 0, count: min(size, maxPart))
        let count = max(0, pread(descriptor, &bytes, bytes.count, off_t(size - bytes.count)))
        // The first line may have lost its beginning, by which a secret could be told.
        let whole = size > maxPart ? bytes.prefix(count).drop { $0 != 0x0a } : bytes.prefix(count)[...]
        return Array(whole)
    }

    // MARK: The archive

    private func write(_ parts: [(name: String, bytes: [UInt8])], in folder: String, to path: String, _ now: Int) throws
    {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw Failure("\(path): \(String(cString: strerror(errno)))", code: 2) }
        defer { close(descriptor) }
        var isWritten = true
        var tar = TarWriter { bytes in isWritten = isWritten && writeAll(Array(bytes), to: descriptor) }
        do throws(FileError) {
            for (name, bytes) in parts {
                try tar.begin(
                    TarEntry(
                        name: Array("\(folder)/\(name)".utf8), kind: .file, size: UInt64(bytes.count), mode: 0o600,
                        modifiedSeconds: Int64(now)))
                var failure: FileError?
                bytes.withUnsafeBytes { content in
                    do throws(FileError) { try tar.write(content) } catch { failure = error }
                }
                if let failure { throw failure }
            }
            try tar.finish()
        } catch {
            throw Failure("\(path): \(error)")
        }
        guard isWritten else { throw Failure("\(path): \(String(cString: strerror(errno)))") }
    }
}
