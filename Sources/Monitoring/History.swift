// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import Pool

/// The samples of the last minutes.
struct History: Sendable {
    /// Ten minutes, at one sample a second.
    static let maxSamples = 600
    /// Samples times pools: with more than 40 pools, the samples reach back less far. About 2 MB.
    static let maxPoolSamples = 24_000
    /// In samples: how far back a rate and a quantile look.
    static let rateWindow = 5
    static let timeWindow = 10

    /// What a pool has counted until one sample.
    private struct Counts {
        var leases: UInt64
        var acquires: [UInt64]
        var creates: [UInt64]

        init(_ pool: PoolSnapshot) {
            leases = pool.leases
            acquires = zip(pool.times.warmWait.counts, pool.times.coldWait.counts).map { $0 + $1 }
            creates = pool.times.create.counts
        }
    }

    private(set) var samples: Deque<Sample> = []
    private var poolSamples = 0
    private var counts: Deque<(uptime: Int64, pools: [String: Counts])> = []
    private var next: UInt64 = 0

    /// - Parameter uptime: in milliseconds.
    mutating func append(_ figures: ServerFigures, uptime: Int64) {
        var sample = Sample(figures)
        sample.number = next
        sample.uptime = uptime
        next += 1
        let now = Dictionary(figures.pools.map { ($0.name, Counts($0)) }) { first, _ in first }
        if let base = counts.suffix(Self.rateWindow).first, uptime > base.uptime {
            var leases: UInt64 = 0
            for (name, pool) in now {
                guard let before = base.pools[name], before.leases <= pool.leases else { continue }
                leases += pool.leases - before.leases
            }
            sample.leaseRate = Int32(clamping: Int64(leases) * 10_000 / (uptime - base.uptime))
        }
        if let base = counts.first {
            for index in sample.pools.indices {
                let name = sample.pools[index].name
                guard let pool = now[name], let before = base.pools[name] else { continue }
                sample.pools[index].acquire = Quantiles(pool.acquires, since: before.acquires)
                sample.pools[index].create = Quantiles(pool.creates, since: before.creates)
            }
        }
        counts.append((uptime, now))
        if counts.count > Self.timeWindow { counts.removeFirst() }
        samples.append(sample)
        poolSamples += sample.pools.count
        while samples.count > 1, samples.count > Self.maxSamples || poolSamples > Self.maxPoolSamples {
            poolSamples -= samples.removeFirst().pools.count
        }
    }

    /// As `/history` tells it: columns, each with a number for each sample, null where a pool was not there.
    /// - Parameter start: which start of the server it is.
    func json(start: String) -> String {
        JSONText { text in
            text.write("start", start)
            text.write("first", samples.first?.number ?? 0)
            text.array("uptime") { text in for sample in samples { text.write(nil, sample.uptime) } }
            for (name, value) in Sample.columns {
                text.array(name) { text in for sample in samples { text.write(nil, value(sample)) } }
            }
            text.array("pools") { text in
                for name in names {
                    let column = samples.map { sample in sample.pools.first { $0.name == name } }
                    text.object(nil) { text in
                        text.write("name", name)
                        for (name, value) in PoolSample.columns {
                            text.array(name) { text in for pool in column { text.write(nil, pool.flatMap(value)) } }
                        }
                    }
                }
            }
        }.text
    }

    /// Of pools, in the order of the newest sample, then those that are gone.
    private var names: [String] {
        var seen: Set<String> = []
        var names: [String] = []
        for sample in samples.reversed() {
            for pool in sample.pools where seen.insert(pool.name).inserted { names.append(pool.name) }
        }
        return names
    }
}
