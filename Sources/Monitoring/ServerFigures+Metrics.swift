// SPDX-License-Identifier: Apache-2.0

internal import Pool

/// The metrics. Names follow OpenTelemetry's conventions for connection pools, with Prometheus' units and suffixes. Series
/// grow with pools alone, never with leases, executions or clients.
/// Source: https://opentelemetry.io/docs/specs/semconv/database/database-metrics/#connection-pools
extension ServerFigures {
    /// - Parameter process: of now; it takes longer than all the rest, so it is read for metrics only.
    func metrics(_ process: ProcessFigures = .now()) -> String {
        var text = Exposition()
        writeServer(to: &text)
        writeMembers(to: &text)
        writeCounters(to: &text)
        writeTimes(to: &text)
        writeProcess(process, to: &text)
        return text.text
    }

    private func writeServer(to text: inout Exposition) {
        text.family("berth_build_info", .gauge, "Always 1; the labels are the server's version and runtime.")
        text.sample("berth_build_info", [("version", version), ("runtime", runtime)], 1)
        for (name, help, value) in [
            ("berth_ready", "Whether new callers can be served: 1 or 0.", isReady ? 1 : 0),
            ("berth_draining", "Whether the server drains before its end: 1 or 0.", isDraining ? 1 : 0),
            ("berth_connections", "Open connections of clients.", Double(connections)),
            ("berth_connections_max", "Limit of connections.", Double(maxConnections)),
            ("berth_executions", "Running executions.", Double(executions)),
            ("berth_held_bytes", "Memory that is held for clients: requests, unread output.", Double(heldBytes)),
            ("berth_held_max_bytes", "Limit of that memory.", Double(maxHeldBytes)),
            ("berth_members_memory_bytes", "Sum of the members' memory limits.", Double(memberBytes)),
            (
                "berth_members_memory_max_bytes", "Limit of that sum; +Inf if there is none.",
                maxMemberBytes.map(Double.init) ?? .infinity
            ),
        ] {
            text.family(name, .gauge, help)
            text.sample(name, [], value)
        }
    }

    private func writeMembers(to text: inout Exposition) {
        text.family("berth_pool_members", .gauge, "Members, by state.")
        for pool in pools {
            for (state, count) in [
                ("starting", pool.starting), ("idle", pool.idle), ("leased", pool.leased),
                ("resetting", pool.resetting), ("stopping", pool.stopping),
            ] { text.sample("berth_pool_members", [("pool", pool.name), ("state", state)], Double(count)) }
        }
        gauge("berth_pool_idle_min", "Idle members that the pool keeps: its target now.", &text) { Double($0.target) }
        gauge("berth_pool_members_max", "Limit of members.", &text) { Double($0.max) }
        gauge("berth_pool_outdated", "Idle members of an earlier configuration.", &text) { Double($0.outdated) }
        gauge("berth_pool_pending_requests", "Callers that wait for a member.", &text) { Double($0.waiters) }
        gauge("berth_pool_oldest_wait_seconds", "How long the first of them has waited.", &text) {
            $0.oldestWait.inSeconds
        }
        gauge("berth_pool_arrivals_per_second", "Acquires per second, from which the target is computed.", &text) {
            $0.arrivalRate
        }
        gauge("berth_pool_breaker_open", "Whether creates are stopped after failures: 1 or 0.", &text) {
            $0.breaker == .closed ? 0 : 1
        }
        gauge("berth_pool_next_try_seconds", "Time until the next create after failures; 0 if none waits.", &text) {
            if case .open(_, let nextTry) = $0.breaker { nextTry.inSeconds } else { 0 }
        }
        gauge("berth_pool_throttled", "Whether a limit keeps the pool from creating members: 1 or 0.", &text) {
            $0.held == nil ? 0 : 1
        }
    }

    private func writeCounters(to text: inout Exposition) {
        for (name, help, value) in [
            ("berth_pool_leases_total", "Leases granted.", \PoolSnapshot.leases),
            ("berth_pool_creates_total", "Creates begun.", \.creates),
            ("berth_pool_create_failures_total", "Creates that failed.", \.createFailures),
            ("berth_pool_removals_total", "Members removed.", \.removed),
            ("berth_pool_resets_total", "Members made clean and used again.", \.recycled),
        ] {
            text.family(name, .counter, help)
            for pool in pools { text.sample(name, [("pool", pool.name)], Double(pool[keyPath: value])) }
        }
        text.family("berth_pool_retirements_total", .counter, "Members taken out of the pool, by reason.")
        for pool in pools {
            for reason in RetireReason.allCases {
                text.sample(
                    "berth_pool_retirements_total", [("pool", pool.name), ("reason", reason.rawValue)],
                    Double(pool.retired[reason] ?? 0))
            }
        }
    }

    private func writeTimes(to text: inout Exposition) {
        let wait = "berth_pool_wait_time_seconds"
        text.family(
            wait, .histogram, "From an acquire to its lease; cold if the member was created for the caller.")
        for pool in pools {
            text.histogram(wait, [("pool", pool.name), ("launch_type", "warm")], pool.times.warmWait)
            text.histogram(wait, [("pool", pool.name), ("launch_type", "cold")], pool.times.coldWait)
        }
        text.family(
            "berth_pool_create_time_seconds", .histogram, "From the start of a create until its member is ready.")
        for pool in pools {
            text.histogram("berth_pool_create_time_seconds", [("pool", pool.name)], pool.times.create)
        }
        text.family("berth_pool_use_time_seconds", .histogram, "From a lease to its end.")
        for pool in pools { text.histogram("berth_pool_use_time_seconds", [("pool", pool.name)], pool.times.use) }
    }

    private func writeProcess(_ process: ProcessFigures, to text: inout Exposition) {
        text.family("process_cpu_seconds_total", .counter, "Processor time that the server has used.")
        text.sample("process_cpu_seconds_total", [], process.cpuSeconds)
        for (name, help, value) in [
            ("process_resident_memory_bytes", "Resident memory of the server.", process.residentBytes),
            ("process_open_fds", "Open descriptors.", Double(process.openDescriptors)),
            ("process_max_fds", "Limit of descriptors.", process.maxDescriptors),
            ("process_start_time_seconds", "Start of the server, in Unix time.", process.startSeconds),
        ] {
            text.family(name, .gauge, help)
            text.sample(name, [], value)
        }
    }

    private func gauge(
        _ name: String, _ help: String, _ text: inout Exposition, _ value: (PoolSnapshot) -> Double
    ) {
        text.family(name, .gauge, help)
        for pool in pools { text.sample(name, [("pool", pool.name)], value(pool)) }
    }
}
