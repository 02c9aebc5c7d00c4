// SPDX-License-Identifier: Apache-2.0

import CurlHTTP
import Docker
import DockerConfig
import FoundationEssentials
import Glibc
import Pool
import Testing
import TestSupport

@Suite("what Docker's own client is configured with", .serialized)
struct ConfigTests {
    /// Runs `body` with the path of a directory like `~/.docker`.
    private func withDirectory(_ body: (String) async throws -> Void) async throws {
        let path = "/tmp/berth-docker-config-\(getpid())"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await body(path)
    }

    private func write(_ path: String, _ text: String, mode: mode_t = 0o600) throws {
        try Data(text.utf8).write(to: URL(filePath: path))
        chmod(path, mode)
    }

    /// F29: docker itself creates the context, so that its files are real.
    @Test(
        "a docker context is taken, with its TLS, as DOCKER_CONTEXT or docker context use name it; DOCKER_HOST goes before"
    )
    func contexts() async throws {
        try await withDirectory { directory in
            // docker looks that they are certificates.
            _ = try Bench.run([
                "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test", "-batch",
                "-keyout", "\(directory)/key.pem", "-out", "\(directory)/cert.pem",
            ])
            try FileManager.default.copyItem(atPath: "\(directory)/cert.pem", toPath: "\(directory)/ca.pem")
            func docker(_ arguments: String...) throws -> String {
                try Bench.run(["/usr/bin/env", "DOCKER_CONFIG=\(directory)", "docker"] + arguments)
            }
            _ = try docker(
                "context", "create", "far", "--docker",
                "host=tcp://127.0.0.9:2376,ca=\(directory)/ca.pem,cert=\(directory)/cert.pem,key=\(directory)/key.pem")
            _ = try docker("context", "create", "near", "--docker", "host=unix:///near.sock")
            let config = DockerConfigFile(environment: ["DOCKER_CONFIG": directory])
            func endpoint(_ environment: [String: String] = [:], given: String? = nil) throws -> DockerEndpoint? {
                try DockerEndpoint.configured(given, environment: environment, config: config)
            }
            #expect(try endpoint() == nil)
            guard case .tcp("127.0.0.9", 2376, let tls?) = try endpoint(["DOCKER_CONTEXT": "far"])?.http else {
                throw NeverHappened(description: "\(String(describing: try endpoint(["DOCKER_CONTEXT": "far"])))")
            }
            #expect(tls.verifies)
            for path in [tls.authorities, tls.certificate, tls.key] { #expect(access(path ?? "", R_OK) == 0) }

            _ = try docker("context", "use", "near")
            #expect(try endpoint()?.http == .unixSocket("/near.sock"))
            #expect(try endpoint(["DOCKER_CONTEXT": "default"]) == nil)
            #expect(try endpoint(["DOCKER_HOST": "unix:///said.sock"])?.http == .unixSocket("/said.sock"))
            #expect(try endpoint(given: "unix:///given.sock")?.http == .unixSocket("/given.sock"))
            let error = try await failure { _ = try endpoint(["DOCKER_CONTEXT": "nowhere"]) }
            #expect(error.cause == .invalidConfiguration && error.message.contains("\"nowhere\""), "\(error)")
        }
    }

    /// F29
    @Test("an address of ssh is the command that Docker's own client runs")
    func ssh() throws {
        guard case .command(let argv) = try DockerEndpoint("ssh://me@[::1]:2222").http else {
            throw NeverHappened(description: "a command")
        }
        #expect(argv.first == "ssh" && argv.suffix(5) == ["--", "::1", "docker", "system", "dial-stdio"])
        #expect(argv.contains("me") && argv.contains("2222"))
    }

    /// J53
    @Test(
        "without a word of where it is, the engine is looked for at root's socket, then at those of the user's session")
    func usual() {
        #expect(DockerEndpoint.usual(environment: [:]).map(\.description) == ["unix:///var/run/docker.sock"])
        #expect(
            DockerEndpoint.usual(environment: ["XDG_RUNTIME_DIR": "/run/user/7"]).map(\.description) == [
                "unix:///var/run/docker.sock", "unix:///run/user/7/docker.sock",
                "unix:///run/user/7/podman/podman.sock",
            ])
    }

    /// F29: a registry that requires a login, and each way in which docker stores one.
    @Test(
        "what docker login has left is used for pulls: auths, a store, a helper; without it the registry's refusal is told"
    )
    func logins() async throws {
        let words = Data("\(LoopbackRegistry.user):\(LoopbackRegistry.password)".utf8).base64EncodedString()
        try await LoopbackRegistry.with(asksForLogin: true) { registry in
            let reference = try registry.push("private/image:1", version: "1")
            try await withDirectory { directory in
                let helper = """
                    #!/bin/sh
                    read -r server
                    [ "$server" = "\(registry.address)" ] || { echo "credentials not found in native keychain"; exit 1; }
                    echo '{"ServerURL":"x","Username":"\(LoopbackRegistry.user)","Secret":"\(LoopbackRegistry.password)"}'

                    """
                try write("\(directory)/docker-credential-berthtest", helper, mode: 0o755)
                let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
                setenv("PATH", "\(directory):\(path)", 1)
                defer { setenv("PATH", path, 1) }
                let ways: [(String, isLoggedIn: Bool)] = [
                    ("{}", false),
                    (#"{"auths":{"\#(registry.address)":{"auth":"\#(words)"}}}"#, true),
                    (#"{"auths":{"https://\#(registry.address)/v2/":{"auth":"\#(words)"}}}"#, true),
                    (#"{"credHelpers":{"\#(registry.address)":"berthtest"}}"#, true),
                    (#"{"credsStore":"berthtest","auths":{"\#(registry.address)":{}}}"#, true),
                    (#"{"credHelpers":{"other.example":"berthtest"}}"#, false),
                ]
                for (index, way) in ways.enumerated() {
                    try write("\(directory)/config.json", way.0)
                    _ = try Bench.ask("DELETE", "/images/\(reference)?force=true")
                    let config = DockerConfigFile(directory: directory)
                    try await Bench.withDocker(
                        "login\(index)", agent: try BuildProducts.program("berth-agent"), config: config
                    ) { bench in
                        let template = MemberTemplate(image: reference)
                        if way.isLoggedIn {
                            #expect(await bench.runtime.probe(image: reference).image == .pullable, "\(way.0)")
                            let resolved = try await bench.runtime.prepare(template)
                            #expect(resolved.imageIdentity?.hasPrefix("sha256:") == true, "\(way.0)")
                        } else {
                            let error = try await failure { _ = try await bench.runtime.prepare(template) }
                            #expect(error.cause == .imageMissing && error.message.contains("log in"), "\(error)")
                        }
                    }
                }
                _ = try Bench.ask("DELETE", "/images/\(reference)?force=true")
            }
        }
    }

    /// F31
    @Test("with pull: never a missing image is refused, and nothing is asked of its registry")
    func pullNever() async throws {
        let registry = try Bench.variable("BERTH_TEST_REGISTRY")
        let reference = "\(registry)/library/berth-pull:latest"
        _ = try Bench.ask("DELETE", "/images/\(reference)?force=true")
        try await Bench.withDocker("never", agent: try BuildProducts.program("berth-agent")) { bench in
            let template = MemberTemplate(image: reference, pull: .never)
            for error in [
                try await failure { _ = try await bench.runtime.prepare(template) },
                try await failure { _ = try await bench.runtime.create(MemberID("one"), template).take() },
            ] {
                #expect(error.cause == .imageMissing && error.message.contains("pull: never"), "\(error)")
            }
            #expect(try Bench.ask("GET", "/images/\(reference)/json").contains("o such image"))
        }
    }
}
