// SPDX-License-Identifier: Apache-2.0

package import CurlHTTP
internal import Docker
internal import FoundationEssentials
internal import Hardening
internal import Pool

/// The baseline of a load test: the same program, started with the exec of the Engine API in a container of the same
/// image and with the hardening that Berth's containers have by default.
package struct DockerExecBaseline: Sendable, Equatable {
    package var endpoint: HTTPEndpoint
    /// The address of the engine, for messages.
    package var name: String
    /// Nil: the image of the pool if the server uses Docker, otherwise `python:3.9-slim`.
    package var image: String?

    package init(endpoint: HTTPEndpoint, name: String, image: String? = nil) {
        self.endpoint = endpoint
        self.name = name
        self.image = image
    }
}

/// A container in which programs are started as `docker exec` does it, with three calls each.
final class DockerExec: Sendable {
    /// Maximum bytes of a program's output, which is read into memory as a whole.
    private static let maxOutput = 1 << 30

    /// The label of the container.
    static let label = "dev.berth.load"

    private struct Version: Decodable { var Version: String? }
    private struct Reply: Decodable { var Id: String }
    private struct Inspection: Decodable { var ExitCode: Int? }
    private struct Fault: Decodable { var message: String }

    private struct Exec: Encodable {
        var AttachStdout = true
        var AttachStderr = true
        var User = "\(MemberTemplate.standardUID):\(MemberTemplate.standardUID)"
        var WorkingDir: String
        var Cmd: [String]
    }

    private struct Start: Encodable {
        var Detach = false
        var Tty = false
    }

    private struct Container: Encodable {
        var Image: String
        var Entrypoint: [String]
        var Labels = [DockerExec.label: "baseline"]
        var HostConfig: HostSettings
    }

    /// For example "Docker 20.10.24 at unix:///var/run/docker.sock".
    let engine: String
    let image: String
    private let http: HTTPClient
    private let container: String

    /// Creates and starts the container.
    /// - Parameter lifetime: seconds after which the container ends by itself, if nobody removes it.
    /// - Throws: `LoadError`. Then no container is left.
    init(_ baseline: DockerExecBaseline, image: String, lifetime: Int64) async throws {
        let http: HTTPClient
        do throws(HTTPError) {
            http = try HTTPClient(endpoint: baseline.endpoint)
        } catch {
            throw LoadError("docker exec can't be measured at \(baseline.name): \(error.message)")
        }
        self.http = http
        self.image = image
        do {
            let version: Version = try await Self.call(http, HTTPRequest(.get, "/version"))
            engine = "Docker \(version.Version ?? "of unknown version") at \(baseline.name)"
            let template = MemberTemplate(image: image)
            let host = HostSettings(
                template, HardeningProfile(template, user: MemberTemplate.standardUID), seccomp: nil, ownsPlaces: false)
            let body = Container(Image: image, Entrypoint: ["sleep", "\(lifetime)"], HostConfig: host)
            let reply: Reply = try await Self.call(
                http, HTTPRequest(.post, "/containers/create", body: try Self.encode(body)))
            container = reply.Id
        } catch {
            http.shutdown()
            throw LoadError("docker exec can't be measured at \(baseline.name): \(Self.words(error))")
        }
        do {
            _ = try await Self.send(http, HTTPRequest(.post, "/containers/\(container)/start"))
        } catch {
            await close()
            throw LoadError("docker exec can't be measured at \(baseline.name): \(Self.words(error))")
        }
    }

    /// Runs a program and waits for its end.
    /// - Returns: bytes of its output.
    /// - Throws: `OperationFailure`, or `CancellationError`.
    func run(_ argv: [String], cwd: String) async throws -> Int {
        do {
            let created: Reply = try await Self.call(
                http,
                HTTPRequest(
                    .post, "/containers/\(container)/exec", body: try Self.encode(Exec(WorkingDir: cwd, Cmd: argv))))
            let output = try await Self.send(
                http,
                HTTPRequest(
                    .post, "/exec/\(created.Id)/start", body: try Self.encode(Start()), timeout: .seconds(600),
                    maxBodyBytes: Self.maxOutput))
            let end: Inspection = try await Self.call(http, HTTPRequest(.get, "/exec/\(created.Id)/json"))
            let code = end.ExitCode ?? -1
            guard code == 0 else {
                throw OperationFailure(kind: "exit \(code)", message: "docker exec: the program exited with \(code)")
            }
            return Self.outputBytes(output)
        } catch let failure as OperationFailure {
            throw failure
        } catch {
            if Task.isCancelled { throw CancellationError() }
            throw OperationFailure(kind: "docker exec", message: Self.words(error))
        }
    }

    /// The engine's description of the container, as JSON.
    func inspect() async throws -> [UInt8] {
        try await Self.send(http, HTTPRequest(.get, "/containers/\(container)/json"))
    }

    func close() async {
        let request = HTTPRequest(.delete, "/containers/\(container)", query: [("force", "true")])
        _ = try? await http.send(request)
        http.shutdown()
    }

    /// Counts the output in a multiplexed stream of the engine: each part has a header of 8 bytes that ends with its
    /// length.
    static func outputBytes(_ stream: [UInt8]) -> Int {
        var bytes = 0
        var at = 0
        while at + 8 <= stream.count {
            let length = stream[at + 4..<at + 8].reduce(0) { $0 << 8 | Int($1) }
            bytes += min(length, stream.count - at - 8)
            at += 8 + length
        }
        return bytes
    }

    private static func call<R: Decodable>(_ http: HTTPClient, _ request: HTTPRequest) async throws -> R {
        try JSONDecoder().decode(R.self, from: Data(try await send(http, request)))
    }

    private static func send(_ http: HTTPClient, _ request: HTTPRequest) async throws -> [UInt8] {
        let response = try await http.send(request)
        guard response.isSuccess else {
            let fault = try? JSONDecoder().decode(Fault.self, from: Data(response.body))
            throw LoadError(fault?.message ?? "the engine answered with HTTP status \(response.status)")
        }
        return response.body
    }

    private static func encode(_ value: some Encodable) throws -> [UInt8] { Array(try JSONEncoder().encode(value)) }

    private static func words(_ error: any Error) -> String {
        "\(error)".split(whereSeparator: \.isNewline).joined(separator: " ")
    }
}
