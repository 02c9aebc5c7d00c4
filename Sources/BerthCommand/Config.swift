// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Configuration
import Console

struct Config: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check a configuration and print all of it, including defaults.",
        discussion: """
            Takes the flags of serve, and prints a complete configuration file. Mistakes, and settings that have no \
            effect, go to stderr, one per line.

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
