/// The full name of the service that clients call.
public enum PoolService {
    public static let name = "berth.v1.Pool"
}
