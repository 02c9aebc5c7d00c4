// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Configuration
import Console

struct Config: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check a configuration and print it whole, with all defaults.",
        discussion: """
            Takes the flags of serve. What it prints is a configuration file again; what is wrong or without effect goes \
            to stderr, a line each.

              berth config > berth.yaml            every setting with its default, to start from
              berth config --config berth.yaml     what berth serve --config berth.yaml would do
            """)

    @OptionGroup var flags: ConfigurationFlags

    func run() throws {
        let (configuration, warnings) = try flags.source.readOrExplain()
        for warning in warnings { ConfigurationSource.explain(warning) }
        try printText(configuration.yaml)
    }
}
