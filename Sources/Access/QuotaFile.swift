// SPDX-License-Identifier: Apache-2.0

/// What tenants have used today, as it is kept over a restart of the server.
///
///     berth-quota 1 day 20787
///     NAME cpu_us 1200000 output 34567
package struct QuotaFile: Sendable, Equatable {
    /// The day of the figures, counted from 1970 in UTC.
    package var day: Int
    package var uses: [String: Tenant.Use]

    package init(day: Int, uses: [String: Tenant.Use] = [:]) {
        self.day = day
        self.uses = uses
    }

    /// Nil if it is none, or of a later version.
    package init?(parsing text: String) {
        let lines = text.split(separator: "\n").map { $0.split(separator: " ") }
        guard let head = lines.first, head.count == 4, head[0] == "berth-quota", head[1] == "1", head[2] == "day",
            let day = Int(head[3])
        else { return nil }
        self.day = day
        uses = [:]
        for words in lines.dropFirst() {
            guard words.count == 5, words[1] == "cpu_us", words[3] == "output", let cpu = UInt64(words[2]),
                let output = UInt64(words[4])
            else { return nil }
            uses[String(words[0])] = Tenant.Use(cpuMicroseconds: cpu, outputBytes: output)
        }
    }

    package var text: String {
        "berth-quota 1 day \(day)\n"
            + uses.sorted { $0.key < $1.key }
            .map { "\($0.key) cpu_us \($0.value.cpuMicroseconds) output \($0.value.outputBytes)\n" }.joined()
    }
}

extension AccessControl {
    /// What is to be kept.
    package var quotas: QuotaFile {
        var file = QuotaFile(day: now / 86400)
        for tenant in everyTenant {
            let use = tenant.use
            if use != Tenant.Use() { file.uses[tenant.name] = use }
        }
        return file
    }

    package func restore(_ file: QuotaFile) {
        for (name, use) in file.uses { everyTenant(named: name).restore(use, day: file.day) }
    }
}
