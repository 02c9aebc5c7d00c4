// SPDX-License-Identifier: Apache-2.0

internal import CurlHTTP
internal import Pool

/// An answer of the engine with a status other than success.
struct EngineRefusal: Error {
    var status: Int
    /// The engine's message.
    var message: String

    /// The error of a create that failed with it.
    var asRuntimeError: RuntimeError {
        let words = message.lowercased()
        let cause: RuntimeError.Cause
        if status == 400 || words.contains("invalid reference format") || status == 404 && words.contains("network") {
            cause = .invalidConfiguration
        } else if words.contains("no such image") || words.contains("manifest unknown") {
            cause = .imageMissing
        } else if words.contains("cannot allocate memory") || words.contains("out of memory") {
            cause = .outOfMemory
        } else {
            cause = .failed
        }
        return RuntimeError(cause, "the engine says: \(message)")
    }
}

extension DockerEndpoint {
    /// The error for a failed exchange, with what to do about it.
    func explain(_ error: HTTPError) -> RuntimeError {
        if case .command(let argv) = http, error.kind != .cancelled {
            return RuntimeError(
                .runtimeUnreachable,
                "the Docker engine at \(self) is not reached: \(error); try: \(argv.prefix { $0 != "docker" }.joined(separator: " ")) "
                    + "docker version (a key that needs no typing, the host among the known ones, and docker there)")
        }
        switch error.kind {
        case .permissionDenied:
            return RuntimeError(
                .runtimeUnreachable,
                "no permission for the Docker engine at \(self); run as root, or join the group of its socket: "
                    + "sudo usermod -aG docker \"$USER\", then log in anew")
        case .noSuchSocket:
            return RuntimeError(
                .runtimeUnreachable,
                "no Docker engine at \(self): there is no such socket; install and start one (sudo apt-get install "
                    + "docker.io), or name another with DOCKER_HOST")
        case .connectionRefused, .cannotConnect:
            return RuntimeError(
                .runtimeUnreachable,
                "the Docker engine at \(self) does not listen; start it: sudo systemctl start docker")
        case .timedOut:
            return RuntimeError(.runtimeUnreachable, "the Docker engine at \(self) does not answer: \(error)")
        case .cancelled: return RuntimeError(.notReadyInTime, "given up before the engine had answered")
        case .tls: return RuntimeError(.runtimeUnreachable, "no TLS with the engine at \(self): \(error)")
        case .protocolViolation, .bodyTooLarge:
            return RuntimeError(.runtimeUnreachable, "what listens at \(self) gives no sound answer: \(error)")
        case .invalidRequest: return RuntimeError(.invalidConfiguration, "\(error)")
        }
    }

    func explain(_ error: any Error) -> RuntimeError {
        switch error {
        case let error as RuntimeError: error
        case let error as HTTPError: explain(error)
        case let error as EngineRefusal: error.asRuntimeError
        case let end as EndedEarly:
            RuntimeError(.failed, "the container ended before its agent had connected, \(end.how)")
        case is CancellationError: RuntimeError(.notReadyInTime, "given up before the container was ready")
        default: RuntimeError(.failed, "\(error)")
        }
    }
}
