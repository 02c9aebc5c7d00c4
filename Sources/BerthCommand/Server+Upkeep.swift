// SPDX-License-Identifier: Apache-2.0

import Configuration
import Pool
import Service

/// Files that are read again while the server runs, so that nothing has to be restarted for them: certificates and tokens.
struct Upkeep: Sendable {
    let tls: TLSUpkeep
    /// Nil without tenants.
    let access: AccessUpkeep?
    let service: PoolServiceHandler

    /// Looks for changes until the task is cancelled, and then saves what tenants have used.
    func run() async {
        async let certificates: Void = tls.run()
        await access?.run { service.countCPUTime() }
        await certificates
    }

    /// Reads all of them again, as at a SIGHUP.
    func reload() { tls.reload() }

    /// Takes new settings.
    func reload(_ configuration: ServerConfiguration) { access?.reload(configuration) }
}

extension Server {
    func makeService(
        _ fleet: Fleet, _ choice: RuntimeChoice, _ access: AccessUpkeep?
    ) throws -> PoolServiceHandler {
        let configuration = settings.configuration
        let service = PoolServiceHandler(
            fleet: fleet, server: Version.server, runtimeKind: choice.runtime.kind,
            unheldLimits: choice.unheldLimits, limits: settings.limits,
            logger: settings.logger, access: access?.access, helloTimeout: configuration.helloTimeout,
            audit: try settings.auditTrail())
        service.setPrograms(configuration.programDefaults)
        return service
    }
}
