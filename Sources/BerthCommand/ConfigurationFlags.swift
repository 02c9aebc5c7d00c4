// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Berth
import Configuration
import Console
import Docker
import FoundationEssentials
import Pool

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The flags of `serve` and `config`. Their meaning, allowed values and defaults are in `SettingsTable`.
struct ConfigurationFlags: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A configuration file (YAML) with the settings of docs/configuration.md. Flags override it, those of pools "
                + "in every pool.", valueName: "file"))
    var config: String?

    @Option(help: help(.server, "listen", "address", "May be given more than once."))
    var listen: [String] = []

    @Flag(help: help(.server, "insecure"))
    var insecure = false

    @Option(help: help(.server, "tls.certificate", "file"))
    var tlsCertificate: String?

    @Option(help: help(.server, "tls.key", "file"))
    var tlsKey: String?

    @Option(help: help(.server, "tls.client_ca", "file"))
    var tlsClientCa: String?

    @Option(help: help(.server, "tokens", "file"))
    var tokens: String?

    @Option(help: help(.server, "audit", "file"))
    var audit: String?

    @Option(help: help(.server, "http", "address"))
    var http: String?

    @Option(help: help(.server, "runtime", "runtime"))
    var runtime: String?

    @Option(help: help(.server, "limits", "when"))
    var limits: String?

    @Option(help: help(.server, "docker_host", "url"))
    var dockerHost: String?

    @Option(help: help(.server, "kubernetes.config", "file"))
    var kubernetesConfig: String?

    @Option(help: help(.server, "kubernetes.namespace", "name"))
    var kubernetesNamespace: String?

    @Option(help: help(.server, "kubernetes.agent", "source"))
    var kubernetesAgent: String?

    @Option(help: help(.pools, "image", "reference"))
    var image: String?

    @Option(help: help(.pools, "pull", "when"))
    var pull: String?

    @Option(help: help(.pools, "size", "number"))
    var size: String?

    @Option(help: help(.pools, "max", "number"))
    var max: String?

    @Option(help: help(.pools, "batch", "number"))
    var batch: String?

    @Option(help: help(.pools, "backoff", "duration"))
    var backoff: String?

    @Option(help: help(.pools, "create_timeout", "duration"))
    var createTimeout: String?

    @Option(help: help(.pools, "memory", "size"))
    var memory: String?

    @Option(help: help(.server, "memory_budget", "size"))
    var memoryBudget: String?

    @Option(help: help(.pools, "processes", "number"))
    var processes: String?

    @Option(help: help(.pools, "cpus", "number"))
    var cpus: String?

    @Option(help: help(.pools, "tmpfs", "size"))
    var tmpfs: String?

    @Option(help: help(.pools, "network", "name"))
    var network: String?

    @Option(help: help(.pools, "lease", "duration"))
    var lease: String?

    @Option(help: help(.pools, "reuse", "when"))
    var reuse: String?

    @Option(help: help(.server, "execution_timeout", "duration"))
    var executionTimeout: String?

    @Option(help: help(.server, "uid", "number"))
    var uid: String?

    @Option(help: help(.server, "max_connections", "number"))
    var maxConnections: String?

    @Option(help: help(.server, "drain_time", "duration"))
    var drainTime: String?

    @Option(help: help(.server, "instance", "name"))
    var instance: String?

    @Option(help: help(.server, "state_dir", "directory"))
    var stateDir: String?

    @Option(help: help(.server, "agent", "path"))
    var agent: String?

    @Option(help: help(.server, "log_format", "format"))
    var logFormat: String?

    @Option(help: help(.server, "log_level", "level"))
    var logLevel: String?

    private static func help(
        _ scope: FlagValue.Scope, _ key: String, _ value: String? = nil, _ more: String? = nil
    ) -> ArgumentHelp {
        ArgumentHelp(
            "\(SettingsTable.help(scope, key))\(more.map { " \($0)" } ?? "")", valueName: value)
    }

    /// The flags that were given.
    private var values: [FlagValue] {
        let server: [(String, String?)] = [
            ("runtime", runtime), ("limits", limits), ("docker_host", dockerHost), ("memory_budget", memoryBudget),
            ("execution_timeout", executionTimeout), ("uid", uid), ("max_connections", maxConnections),
            ("drain_time", drainTime), ("instance", instance), ("state_dir", stateDir), ("agent", agent),
            ("log_format", logFormat), ("log_level", logLevel), ("insecure", insecure ? "true" : nil), ("http", http),
            ("tls.certificate", tlsCertificate), ("tls.key", tlsKey), ("tls.client_ca", tlsClientCa),
            ("tokens", tokens), ("audit", audit), ("kubernetes.config", kubernetesConfig),
            ("kubernetes.namespace", kubernetesNamespace), ("kubernetes.agent", kubernetesAgent),
        ]
        let pools: [(String, String?)] = [
            ("image", image), ("pull", pull), ("size", size), ("max", max), ("batch", batch), ("backoff", backoff),
            ("create_timeout", createTimeout), ("memory", memory), ("processes", processes), ("cpus", cpus),
            ("tmpfs", tmpfs), ("network", network), ("lease", lease), ("reuse", reuse),
        ]
        func given(_ scope: FlagValue.Scope, _ all: [(String, String?)]) -> [FlagValue] {
            all.compactMap { key, value in
                value.map { FlagValue("--\(key.split { "_.".contains($0) }.joined(separator: "-"))", scope, key, [$0]) }
            }
        }
        let addresses = listen.isEmpty ? [] : [FlagValue("--listen", .server, "listen", listen)]
        return addresses + given(.server, server) + given(.pools, pools)
    }

    var source: ConfigurationSource { ConfigurationSource(file: config, flags: values) }
}

/// The source of a configuration, which is read at the start and at each reload.
struct ConfigurationSource: Sendable {
    /// Nil if there are only flags.
    var file: String?
    var flags: [FlagValue]

    /// - Throws: `ConfigurationMistakes`, or `Failure` if the file can't be read.
    func read() throws -> (ServerConfiguration, warnings: [ConfigurationIssue]) {
        var text: String?
        if let file {
            do {
                text = String(decoding: try Data(contentsOf: URL(fileURLWithPath: file)), as: UTF8.self)
            } catch {
                throw Failure("--config \(file): the file can't be read: \(reason(of: error))", code: 2)
            }
        }
        return try ConfigurationReader.read(text: text, file: file ?? "", flags: flags, checks: .standard)
    }

    private func reason(of error: any Error) -> String {
        switch (error as? CocoaError)?.code {
        case .fileReadNoSuchFile, .fileNoSuchFile: "there is no such file"
        case .fileReadNoPermission: "permission denied"
        default:
            ((error as? CocoaError)?.underlying as? POSIXError).map { String(cString: strerror($0.code.rawValue)) }
                ?? "\(error)"
        }
    }

    /// Reads the configuration, and prints every mistake on a line of its own.
    /// - Throws: `ExitCode` 2 after mistakes were printed, or `Failure`.
    func readOrExplain() throws -> (ServerConfiguration, warnings: [ConfigurationIssue]) {
        do {
            return try read()
        } catch let mistakes as ConfigurationMistakes {
            for issue in mistakes.issues { ConfigurationSource.explain(issue) }
            throw ExitCode(2)
        }
    }

    /// Prints an issue as a line. An issue of the file begins with file and line, as editors expect it.
    static func explain(_ issue: ConfigurationIssue) {
        switch issue.place {
        case .file: printErrorLine(issue.severity == .warning ? "\(issue) (warning)" : "\(issue)")
        case .flag: printError("\(issue)")
        }
    }
}

extension OutsideChecks {
    static let standard = OutsideChecks(
        addressProblem: { text in
            do throws(BerthError) {
                _ = try ServerAddress(text)
                return nil
            } catch {
                return error.message
            }
        },
        isLocal: { text in
            switch try? ServerAddress(text) {
            case .tcp(let host, _), .tls(let host, _): ServerAddress.isLoopback(host)
            case .unix, nil: true
            }
        },
        dockerHostProblem: { text in
            do throws(RuntimeError) {
                _ = try DockerEndpoint(text)
                return nil
            } catch {
                return error.message
            }
        })
}
