/// The service that clients call.
public enum PoolService {
    /// Its full name.
    public static let name = "berth.v1.Pool"
}

/// The service that operators call.
public enum AdminService {
    /// Its full name.
    public static let name = "berth.v1.Admin"
}
