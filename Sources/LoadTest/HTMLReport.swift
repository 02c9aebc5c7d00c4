// SPDX-License-Identifier: Apache-2.0

/// A report as one HTML page without scripts and external resources, for light and dark mode.
package struct HTMLReport: CustomStringConvertible, Sendable {
    private let report: LoadReport

    package init(_ report: LoadReport) {
        self.report = report
    }

    package var description: String {
        let title = "berth load: \(report.plan.scenario), \(Units.rate(report.rate))/s"
        return """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>\(title.escaped)</title>
            <style>\(HTMLReport.style)</style>
            </head>
            <body>
            <main>
            <h1>berth load <b>\(report.plan.scenario.escaped)</b></h1>
            <p>\(report.plan.inWords.escaped)\(program)</p>
            \(tiles)
            \(baseline)
            \(notes)
            \(charts.map(\.html).joined(separator: "\n"))
            \(table)
            \(failures)
            \(facts)
            </main>
            </body>
            </html>

            """
    }

    private var program: String {
        report.plan.command.isEmpty ? "" : "<br><code>\(report.plan.command.joined(separator: " ").escaped)</code>"
    }

    private var tiles: String {
        var tiles = [("throughput", "\(Units.rate(report.rate))/s")]
        if report.bytes > 0 { tiles.append(("output", "\(Units.bytes(report.bytesPerSecond))/s")) }
        if report.total.count > 0 {
            tiles += [("p50", Units.duration(report.total.p50))]
            if report.total.supports(0.99) { tiles.append(("p99", Units.duration(report.total.p99))) }
            tiles.append(("max", Units.duration(report.total.max)))
        }
        tiles.append(("failed", Units.count(report.failed)))
        let cells = tiles.map { name, value in
            "<div\(name == "failed" && report.failed > 0 ? " class=\"bad\"" : "")><span>\(name)</span>\(value.escaped)</div>"
        }
        return "<div class=\"tiles\">\(cells.joined())</div>"
    }

    private var notes: String {
        let notes = ReportNotes(report).lines
        return notes.isEmpty ? "" : "<ul class=\"notes\">\(notes.map { "<li>\($0.escaped)</li>" }.joined())</ul>"
    }

    private var baseline: String { report.baselineRatio.map { "<p><b>\($0.escaped)</b></p>" } ?? "" }

    private var charts: [Chart] { ReportCharts(report).all }

    private var table: String {
        guard report.total.count > 0 else { return "" }
        let rows = TextReport(report).rows
        var html = "<h2>Latency by step</h2><div class=\"wide\"><table>"
        for (index, row) in rows.enumerated() {
            let tag = index == 0 ? "th" : "td"
            let isPart = row[0].hasPrefix("  ")
            html += "<tr\(isPart ? " class=\"part\"" : "")>"
            html += row.map { "<\(tag)>\($0.escaped)</\(tag)>" }.joined() + "</tr>"
        }
        return html + "</table></div>"
    }

    private var failures: String {
        guard !report.failures.isEmpty else { return "" }
        let rows = report.failures.map {
            "<tr><td>\($0.kind.escaped)</td><td>\(Units.count($0.count))</td><td class=\"text\">\($0.message.escaped)</td></tr>"
        }
        return
            "<h2>Failures</h2><div class=\"wide\"><table><tr><th></th><th>count</th><th class=\"text\">first message</th></tr>"
            + rows.joined() + "</table></div>"
    }

    private var facts: String {
        let (plan, server, harness) = (report.plan, report.server, report.harness)
        var rows: [(String, String)] = [
            ("server", "\(server.version) on \(server.runtime) at \(plan.address)"),
            ("pool", server.image.isEmpty ? server.pool : "\(server.pool) of \(server.image)"),
        ]
        if let trip = server.roundTrip, trip.count > 0 {
            rows.append(
                (
                    "an empty call",
                    "p50 \(Units.duration(trip.p50)), p99 \(Units.duration(trip.p99)): one at a time, before the test"
                ))
        }
        rows += [
            ("machine", "\(harness.cpus) CPUs, \(harness.cpuModel), Linux \(harness.kernel)"),
            (
                "CPUs in use",
                "\(Units.digits(harness.cpusUsed)) by the load tester, "
                    + (harness.machineCpusUsed.map { "\(Units.digits($0)) by the whole machine" }
                        ?? "unknown for the machine")
            ),
            (
                "the load tester",
                "berth \(harness.version): \(Units.duration(harness.costPerOperation)) to time an operation; woke late by p99 "
                    + "\(Units.duration(harness.wakeDelay.p99)), max \(Units.duration(harness.wakeDelay.max)); "
                    + "\(Units.bytes(Double(harness.peakMemoryBytes))) at most"
            ),
        ]
        let cells = rows.map { "<tr><td>\($0.escaped)</td><td class=\"text\">\($1.escaped)</td></tr>" }
        return "<h2>What was measured, and by what</h2><div class=\"wide\"><table>\(cells.joined())</table></div>"
    }

    private static let style = """

        :root { color-scheme: light dark; --bg: #fff; --fg: #1c1f23; --dim: #646b73; --grid: #e4e7ea; --tile: #f5f6f8;
          --bad: #c0271f; --c1: #1f6fd0; --c2: #d9730d; --c3: #0f8a72; --c4: #8250c8; --c5: #c0271f; --c6: #8a9099; }
        @media (prefers-color-scheme: dark) {
          :root { --bg: #16181b; --fg: #e7e9ec; --dim: #9aa1aa; --grid: #2e3237; --tile: #1f2226;
            --bad: #ff7a70; --c1: #6cabff; --c2: #ffa657; --c3: #4fd1b2; --c4: #c49bff; --c5: #ff7a70; --c6: #878e98; } }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--bg); color: var(--fg); font: 15px/1.5 system-ui, sans-serif; }
        main { max-width: 800px; margin: 0 auto; padding: 24px 20px 48px; }
        h1 { font-size: 22px; font-weight: 400; margin: 0; } h2 { font-size: 16px; margin: 32px 0 8px; }
        p { margin: 4px 0; color: var(--dim); } code { color: var(--fg); }
        .tiles { display: flex; flex-wrap: wrap; gap: 8px; margin: 16px 0; }
        .tiles div { background: var(--tile); border-radius: 8px; padding: 8px 14px; font-size: 20px; flex: 1 1 auto;
          font-variant-numeric: tabular-nums; }
        .tiles span { display: block; font-size: 12px; color: var(--dim); } .tiles .bad { color: var(--bad); }
        .notes { border-left: 3px solid var(--c2); margin: 16px 0; padding: 2px 0 2px 28px; }
        figure { margin: 28px 0 0; } figcaption b { font-weight: 600; margin-right: 12px; }
        .key { margin-right: 14px; font-size: 13px; color: var(--dim); white-space: nowrap; }
        .key::before { content: ""; display: inline-block; width: 14px; border-top: 3px solid var(--c); margin-right: 5px;
          vertical-align: middle; }
        .dashed::before { border-top-style: dashed; }
        svg { width: 100%; height: auto; display: block; } svg text { font-size: 11px; fill: var(--dim); }
        .grid { stroke: var(--grid); stroke-width: 1; } .tip { fill: transparent; } .tip:hover { fill: var(--fg); opacity: .07; }
        .line { fill: none; stroke-width: 1.6; stroke-linejoin: round; } .area { opacity: .75; }
        .wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
        td, th { text-align: right; padding: 3px 10px; border-bottom: 1px solid var(--grid); white-space: nowrap; font-weight: 400; }
        th { color: var(--dim); font-size: 12px; } td:first-child { text-align: left; padding-left: 0; }
        td.text, th.text { text-align: left; white-space: normal; } .part td:first-child { padding-left: 16px; }
        .part td { color: var(--dim); }

        """
}
