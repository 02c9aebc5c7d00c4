// SPDX-License-Identifier: Apache-2.0

package import CurlHTTP
package import Pool

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Where the API of a cluster is, and how this server shows who it is.
package struct ClusterAccess: Sendable {
    package enum Credential: Sendable, Equatable {
        /// A client certificate, which is the endpoint's, or nothing.
        case none
        case token(String)
        /// The token's file, which is read again for each request, since tokens are renewed.
        case tokenFile(String)
    }

    package var endpoint: HTTPEndpoint
    /// Comes before every path of the API: "" or, behind some proxies, "/k8s/clusters/c1".
    package var basePath: String
    package var credential: Credential
    /// The namespace of the configuration; nil if it names none.
    package var namespace: String?
    /// The kubeconfig; nil for a pod's service account.
    package var path: String?
    /// Where it was read, for messages.
    package var source: String { path ?? "the pod's service account" }
    /// Certificates that are in the configuration itself.
    let files: [MemoryFile]

    static let serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

    /// Finds the access as kubectl does: the given file; else that of the pod in which this server runs; else $KUBECONFIG, which
    /// must name one file; else ~/.kube/config.
    /// - Parameter environment: a variable's value.
    package static func find(
        file: String?, serviceAccount: String = serviceAccount, environment: (String) -> String? = variable
    ) throws(RuntimeError) -> ClusterAccess {
        if let file { return try Kubeconfig.read(file) }
        if environment("KUBERNETES_SERVICE_HOST") != nil, access("\(serviceAccount)/token", R_OK) == 0 {
            return try inCluster(serviceAccount, environment)
        }
        if let path = environment("KUBECONFIG"), !path.isEmpty {
            guard !path.contains(":") else {
                throw RuntimeError(
                    .invalidConfiguration, "KUBECONFIG names several files: set kubernetes.config to one of them")
            }
            return try Kubeconfig.read(path)
        }
        guard let home = environment("HOME"), access("\(home)/.kube/config", R_OK) == 0 else {
            throw RuntimeError(
                .invalidConfiguration,
                "no cluster is known: this is not a pod, and neither KUBECONFIG nor ~/.kube/config names one; set "
                    + "kubernetes.config")
        }
        return try Kubeconfig.read("\(home)/.kube/config")
    }

    /// What the kubelet puts into every pod of a service account.
    private static func inCluster(
        _ account: String, _ environment: (String) -> String?
    ) throws(RuntimeError) -> ClusterAccess {
        let host = environment("KUBERNETES_SERVICE_HOST") ?? ""
        guard let port = Int(environment("KUBERNETES_SERVICE_PORT") ?? "443"), (1...65535).contains(port) else {
            throw RuntimeError(.invalidConfiguration, "KUBERNETES_SERVICE_PORT is not a port")
        }
        return ClusterAccess(
            endpoint: .tcp(host: host, port: port, tls: HTTPTLS(authorities: "\(account)/ca.crt")), basePath: "",
            credential: .tokenFile("\(account)/token"), namespace: try? Self.text("\(account)/namespace"),
            files: [])
    }

    package static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    /// A small file's text, without white space around it.
    static func text(_ path: String, atMost limit: Int = 1 << 20) throws(RuntimeError) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw RuntimeError(.invalidConfiguration, "\(path): \(String(cString: strerror(errno)))", errno: errno)
        }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: limit + 1)
        var filled = 0
        while filled < bytes.count {
            let count = bytes.withUnsafeMutableBytes {
                read(descriptor, $0.baseAddress.map { $0 + filled }, $0.count - filled)
            }
            guard count > 0 else { break }
            filled += count
        }
        guard filled <= limit else {
            throw RuntimeError(.invalidConfiguration, "\(path) is longer than \(limit) bytes")
        }
        let text = String(decoding: bytes[..<filled], as: UTF8.self)
        let isSpace: (Character) -> Bool = { $0.isWhitespace || $0.isNewline }
        return String(text.drop(while: isSpace).reversed().drop(while: isSpace).reversed())
    }

    /// The value of the header `Authorization`; nil if there is none.
    func authorization() throws(RuntimeError) -> String? {
        switch credential {
        case .none: nil
        case .token(let token): "Bearer \(token)"
        case .tokenFile(let path): "Bearer \(try Self.text(path, atMost: 64 << 10))"
        }
    }
}
