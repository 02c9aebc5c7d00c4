// SPDX-License-Identifier: Apache-2.0

import BenchmarkKit
import Berth
import BerthSchema

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A warm acquire there and back, one after another, each lease given back before the next: by a client that blocks, so
/// that nothing but the server and two switches of the kernel is measured.
enum AcquireBenchmark {
    struct Result: Encodable {
        /// In microseconds.
        var acquire: Quantiles
        var emptyCall: Quantiles
        /// Acquires that found no warm member: not among the others.
        var waited: Int
    }

    static func run(port: Int, seconds: Int) throws -> Result {
        let client = try RawConnection(port: port)
        let clock = ContinuousClock()
        let hello = RawConnection.frame(PoolService.name, "Hello", HelloRequest(client: "bench"))
        let acquire = RawConnection.frame(PoolService.name, "Acquire", AcquireRequest())
        var (acquires, empty): ([UInt32], [UInt32]) = ([], [])
        var waited = 0
        let end = clock.now + .seconds(seconds)
        while clock.now < end {
            let (began, _) = (clock.now, try client.exchange(hello, ends: 1))
            empty.append(nanoseconds(began.duration(to: clock.now)))
            let before = clock.now
            let answer = try client.exchange(acquire, ends: 1)
            let took = before.duration(to: clock.now)
            let response = try Response(decoding: Array(answer))
            if let status = response.status { throw BenchmarkError("Acquire failed: \(status.message)") }
            let lease = try AcquireResponse(decoding: response.payload)
            if lease.isWarm { acquires.append(nanoseconds(took)) } else { waited += 1 }
            try client.exchange(
                RawConnection.frame(PoolService.name, "Release", ReleaseRequest(lease: lease.lease)), ends: 1)
            // The member that was given back is reset meanwhile, which is no part of this.
            usleep(2000)
        }
        return Result(
            acquire: Quantiles(nanoseconds: acquires), emptyCall: Quantiles(nanoseconds: empty), waited: waited)
    }
}

/// How long 16 bytes are under way from the `write` of a program in a container to the client: the program writes the time.
enum WriteLatencyBenchmark {
    struct Result: Encodable {
        /// In microseconds.
        var latency: Quantiles
    }

    static func run(port: Int, writes: Int) async throws -> Result {
        let client = try await BerthClient.connect(to: .tcp(host: "127.0.0.1", port: port))
        defer { client.close() }
        let lease = try await client.acquire()
        let program = """
            import os, time
            for _ in range(\(writes)):
                time.sleep(0.005)
                os.write(1, b"%016d" % (time.monotonic_ns() % 10**16))
            """
        var latencies: [UInt32] = []
        for try await event in client.execute(Command(["python3", "-c", program]), in: lease) {
            switch event {
            case .output(let output) where output.stream == .stdout:
                let now = monotonicNanoseconds() % 10_000_000_000_000_000
                // Two that came together have waited for each other: the first tells.
                let digits = String(decoding: output.data.prefix(16), as: UTF8.self)
                guard let written = UInt64(digits), written <= now else {
                    throw BenchmarkError("the program wrote \"\(digits)\", which is no time")
                }
                latencies.append(UInt32(clamping: now - written))
            case .output(let output):
                throw BenchmarkError(String(decoding: output.data, as: UTF8.self))
            case .ended(let ended) where ended.cause != .exited || ended.exitCode != 0:
                throw BenchmarkError("the program ended with \(ended.cause) \(ended.exitCode) \(ended.message)")
            default: break
            }
        }
        try await client.release(lease)
        return Result(latency: Quantiles(nanoseconds: latencies))
    }

    /// The clock of Python's `monotonic_ns`.
    private static func monotonicNanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// Connections that have said hello, and then nothing, until standard input ends.
enum IdleConnections {
    static func hold(port: Int, count: Int) throws {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        getrlimit(resource, &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(resource, &limit)
        let hello = RawConnection.frame(PoolService.name, "Hello", HelloRequest(client: "idle"))
        let connections = try (0..<count).map { _ in
            let connection = try RawConnection(port: port, bufferSize: 4096)
            try connection.exchange(hello, ends: 1)
            return connection
        }
        writeLine("{\"open\":\(connections.count)}")
        while getchar() != EOF {}
        withExtendedLifetime(connections) {}
    }
}

private func nanoseconds(_ duration: Duration) -> UInt32 { UInt32(clamping: Int64(duration.inSeconds * 1e9)) }
