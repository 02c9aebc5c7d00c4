// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CHost
import Configuration
import Console
import Docker
import Embedded
import Native
import Pool
import Runc

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what this machine has and lacks for each runtime, and the commands that fix it.",
        discussion: """
            Creates, starts and pulls nothing, unless it is asked to try. Exits with 0 if a server can run here, otherwise
            with 1.

              berth doctor
              berth doctor --config /etc/berth/berth.yaml   also its certificates, tokens and addresses
              berth doctor --runtime kubernetes             what a cluster has for pods, and lets this server do
            """)

    @Option(
        help: ArgumentHelp(
            "A configuration file whose certificates, tokens and addresses are checked too.", valueName: "file"))
    var config: String?

    @Option(
        help: ArgumentHelp(
            "Address of the Docker engine (default: the same as for serve).", valueName: "url"))
    var dockerHost: String?

    @Option(help: ArgumentHelp("The image to look for with Docker.", valueName: "reference"))
    var image = RuntimeChoice.standardImage

    @Option(
        help: ArgumentHelp(
            "The runtime to look at: kubernetes is looked at only if this names it, or the configuration.",
            valueName: "name"))
    var runtime = ServerConfiguration.Runtime.auto

    @Option(help: ArgumentHelp("The cluster (default: the same as for serve).", valueName: "file"))
    var kubernetesConfig: String?

    @Option(help: ArgumentHelp("The namespace of the pods (default: the same as for serve).", valueName: "name"))
    var kubernetesNamespace: String?

    @Option(
        help: ArgumentHelp("Where pods have berth-agent from (default: the same as for serve).", valueName: "source"))
    var kubernetesAgent: String?

    @Flag(name: .customLong("try"), help: "Also make a pod, reach its agent, and remove it again.")
    var tries = false

    @Option(help: ArgumentHelp("The berth-agent binary (default: the one beside berth).", valueName: "path"))
    var agent: String?

    mutating func run() async throws {
        // What an ordinary user's server has, it has in a user namespace.
        if geteuid() != 0, let launcher = LauncherBinary.find(agent: try? AgentBinary.find(agent)),
            berth_can_make_user_namespace() != 0
        {
            try RootlessStart.enter(launcher)
        }
        let settings = try? config.map { try ConfigurationSource(file: $0, flags: []).read().0 }
        let isCluster = runtime == .kubernetes || runtime == .auto && settings?.runtime == .kubernetes
        if isCluster {
            let hasCluster = await checkCluster(settings ?? ServerConfiguration())
            guard checkConfiguration(), hasCluster else {
                print("berth serve can't run here yet")
                throw ExitCode(1)
            }
            return print("berth serve can run here, on kubernetes")
        }
        let hasAgent = checkAgent()
        let hasNative = checkNative()
        let hasRunc = checkRunc()
        let hasDocker = await checkDocker()
        let memory = HostMemory.available().map { "\($0 >> 20) MiB available" } ?? "unknown"
        print("host\n  ok       memory: \(memory)\n")
        let isConfigured = checkConfiguration()
        guard isConfigured, hasAgent, hasNative || hasRunc || hasDocker else {
            print("berth serve can't run here yet")
            throw ExitCode(1)
        }
        let needsLeave = !hasDocker && EmbeddedProbe().lacksLimits
        print(
            "berth serve can run here, on \(hasDocker ? "Docker" : hasNative ? "native" : "runc")"
                + (needsLeave ? ", with --limits best-effort" : ""))
    }

    /// - Returns: whether a server with this configuration can be called.
    private func checkConfiguration() -> Bool {
        guard let config else { return true }
        print("configuration")
        let configuration: ServerConfiguration
        do {
            let (read, warnings) = try ConfigurationSource(file: config, flags: []).read()
            configuration = read
            print("  ok       \(config)")
            for warning in warnings { tell("lacks", "\(warning)", nil) }
        } catch {
            let words = (error as? ConfigurationMistakes)?.issues.map { "\($0)" }
            for line in words ?? [(error as? Failure)?.message ?? "\(error)"] { tell("missing", line, nil) }
            print()
            return false
        }
        var isRight = true
        for (title, findings) in DoctorConfiguration(configuration: configuration, now: time(nil)).findings() {
            print("\n\(title)")
            for finding in findings {
                tell(finding.state.rawValue, finding.words, finding.remedy)
                if finding.state == .missing { isRight = false }
            }
        }
        print()
        return isRight
    }

    private func checkCluster(_ settings: ServerConfiguration) async -> Bool {
        print("Kubernetes")
        defer { print() }
        var settings = settings
        settings.kubernetesConfig = kubernetesConfig ?? settings.kubernetesConfig
        settings.kubernetesNamespace = kubernetesNamespace ?? settings.kubernetesNamespace
        settings.kubernetesAgent = kubernetesAgent ?? settings.kubernetesAgent
        var isRight = true
        for finding in await DoctorCluster(configuration: settings, makesPod: tries).findings() {
            tell(finding.state.rawValue, finding.words, finding.remedy)
            if finding.state == .missing { isRight = false }
        }
        return isRight
    }

    private func checkAgent() -> Bool {
        print("berth-agent")
        defer { print() }
        do {
            print("  ok       \(try AgentBinary.find(agent))")
            return true
        } catch let failure as Failure {
            tell("missing", failure.message, "make build")
        } catch {
            tell("missing", "\(error)", nil)
        }
        return false
    }

    private func checkRunc() -> Bool {
        print("runc")
        defer { print() }
        let probe = RuncProbe()
        if let path = probe.runtimePath { print("  ok       \(path)") }
        return tell(probe.location, probe.problems, probe.isUsable, probe.obstacle)
    }

    private func checkNative() -> Bool {
        print("native, the embedded runtime")
        defer { print() }
        let launcher = LauncherBinary.find(agent: try? AgentBinary.find(agent))
        let probe = NativeProbe(launcherPath: launcher)
        if let launcher { print("  ok       \(launcher)") }
        return tell(probe.location, probe.problems, probe.isUsable, probe.obstacle)
    }

    /// - Returns: whether members can be made.
    private func tell(
        _ location: (path: String, reason: String), _ problems: [EmbeddedProbe.Problem], _ isUsable: Bool,
        _ obstacle: @autoclosure () -> String?
    ) -> Bool {
        print("  ok       members' cgroups: \(location.path), \(location.reason)")
        for problem in problems { tell(problem.isFatal ? "missing" : "lacks", problem.message, problem.remedy) }
        guard isUsable else { return false }
        guard let obstacle = obstacle() else { return true }
        tell("missing", obstacle, nil)
        return false
    }

    private func checkDocker() async -> Bool {
        print("Docker")
        defer { print() }
        let engines: EngineSearch.Outcome
        do throws(RuntimeError) {
            engines = await (try EngineSearch(dockerHost)).run(image: image)
        } catch {
            tell("missing", error.message, nil)
            return false
        }
        for (_, probe) in engines.asked { tell(probe) }
        return engines.usable != nil
    }

    private func tell(_ probe: EngineProbe) {
        if let engine = probe.engine {
            print("  ok       \(engine) at \(probe.endpoint), API \(probe.apiVersion ?? "unknown")")
        }
        if let problem = probe.problem { return tell("missing", problem.message, nil) }
        switch probe.image {
        case .present: print("  ok       image \(image)")
        case .pullable: print("  ok       image \(image) is not there yet, and can be pulled")
        case .unknown: print("  ok       image \(image) is not there; it is unknown whether it can be pulled")
        case .missing, .notAsked: tell("missing", probe.advice(image: image) ?? "image \(image)", nil)
        }
    }

    private func tell(_ state: String, _ what: String, _ remedy: String?) {
        print("  \(state)\(String(repeating: " ", count: Swift.max(1, 9 - state.count)))\(what)")
        if let remedy { print("           fix it with: \(remedy)") }
    }
}

extension ServerConfiguration.Runtime: ExpressibleByArgument {}

/// Prints a line, or ends the command if that is not possible.
private func print(_ line: String = "") {
    do throws(OutputFailure) { try printLine(line.printableLines) } catch { error.exit() }
}
