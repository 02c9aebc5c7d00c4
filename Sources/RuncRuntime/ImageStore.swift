internal import FoundationEssentials
internal import Glibc
internal import Hardening
internal import Logging
internal import Pool

/// Images pulled from registries and unpacked, each once: `<directory>/<name>/rootfs`.
struct ImageStore: Sendable {
    var directory: String
    var logger: Logger

    struct Image {
        var rootfs: String
        var environment: [String]
    }

    /// Unpacks the image if it isn't there yet. One pull at a time, across servers too.
    func image(_ reference: String, _ cancellation: Cancellation) throws(RuntimeError) -> Image {
        let bundle = "\(directory)/\(Self.fileName(reference))"
        try TrustedDirectory.check(directory)
        if !Files.exists(bundle) {
            // Root alone may look in: an image can hold setuid programs.
            for end in directory.indices where directory[end] == "/" && end != directory.startIndex {
                try Files.ensureDirectory(String(directory[..<end]))
            }
            try Files.makeDirectory(directory, mode: 0o700)
            let lock = try Self.lock("\(directory)/.lock", cancellation)
            defer { close(lock) }
            if !Files.exists(bundle) { try pull(reference, to: bundle, cancellation) }
        }
        return Image(rootfs: "\(bundle)/rootfs", environment: Self.environment(bundle))
    }

    private func pull(_ reference: String, to bundle: String, _ cancellation: Cancellation) throws(RuntimeError) {
        let tools = ["skopeo", "umoci"].map { ($0, Subprocess.find($0)) }
        let missing = tools.filter { $0.1 == nil }.map(\.0)
        guard missing.isEmpty, let skopeo = tools[0].1, let umoci = tools[1].1 else {
            throw RuntimeError(
                .imageMissing,
                "\(reference) is not here, and to pull it \(missing.joined(separator: " and ")) is not installed: "
                    + "apt-get install \(missing.joined(separator: " "))")
        }
        let work = "\(directory)/.pull"
        try Files.removeTree(work)
        try Files.makeDirectory(work, mode: 0o700)
        defer { try? Files.removeTree(work) }

        logger.info("pulling an image", metadata: ["image.reference": "\(reference)"])
        let started = ContinuousClock.now
        var copy = [skopeo]
        // Where the administrator wrote no policy, skopeo would refuse every image.
        if !Files.exists("/etc/containers/policy.json") { copy.append("--insecure-policy") }
        copy += ["copy", "--quiet"]
        if Self.isLoopback(reference) { copy.append("--src-tls-verify=false") }
        copy += [Self.source(reference), "oci:\(work)/image:latest"]
        try run(copy, reference, cancellation)
        try run([umoci, "unpack", "--image", "\(work)/image:latest", "\(work)/bundle"], reference, cancellation)
        guard rename("\(work)/bundle", bundle) == 0 else { throw Files.failure("rename to", bundle) }
        logger.info(
            "pulled an image",
            metadata: ["image.reference": "\(reference)", "image.duration": "\(ContinuousClock.now - started)"])
    }

    private func run(_ argv: [String], _ reference: String, _ cancellation: Cancellation) throws(RuntimeError) {
        let outcome = try Subprocess.run(argv, seconds: 1800, cancellation)
        guard outcome.status == 0 else {
            throw RuntimeError(.imageMissing, "\(reference) can't be had: \(RuncMessage.lastLine(outcome.output))")
        }
    }

    /// What the image says of its environment, from the configuration that umoci writes beside the files.
    private static func environment(_ bundle: String) -> [String] {
        struct Configuration: Decodable {
            struct Process: Decodable { var env: [String]? }
            var process: Process?
        }
        guard let bytes = Files.read("\(bundle)/config.json") else { return [] }
        let configuration = try? JSONDecoder().decode(Configuration.self, from: Data(bytes))
        return (configuration?.process?.env ?? []).filter { !$0.hasPrefix("TERM=") && !$0.hasPrefix("HOME=") }
    }

    /// A reference as skopeo takes it.
    static func source(_ reference: String) -> String {
        reference.hasPrefix("docker://") ? reference : "docker://\(reference)"
    }

    /// Whether the registry is on this machine, where no TLS is asked for.
    static func isLoopback(_ reference: String) -> Bool {
        let authority = source(reference).dropFirst("docker://".count).prefix { $0 != "/" }
        if authority.hasPrefix("[::1]") { return true }
        let host = authority.prefix { $0 != ":" }
        guard authority.contains(":") else { return false }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return host == "localhost" || (parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil })
    }

    /// One file name for each reference, no two the same: what isn't a letter, digit, dot or dash is written in hex.
    static func fileName(_ reference: String) -> String {
        source(reference).dropFirst("docker://".count).utf8.map { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"):
                String(UnicodeScalar(byte))
            default: "_" + String(byte, radix: 16)
            }
        }.joined()
    }

    private static func lock(_ path: String, _ cancellation: Cancellation) throws(RuntimeError) -> Int32 {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw Files.failure("open", path) }
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            if cancellation.wait(milliseconds: 100) {
                close(descriptor)
                throw RuntimeError(.failed, "waiting for another pull was cancelled")
            }
        }
        return descriptor
    }
}

extension Files {
    /// Makes a directory that may be there, whose mode is then its owner's business.
    static func ensureDirectory(_ path: String) throws(RuntimeError) {
        if mkdir(path, 0o755) != 0 && errno != EEXIST { throw failure("mkdir", path) }
    }
}
