//! Which ends of gRPC requests are failures.

use crate::stats::{Cause, GrpcEnd, GrpcStatus};

/// What is said of gRPC once for the whole process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Grpc {
    /// The statuses that count as the backend's failures.
    pub failures: GrpcFailures,
}

impl Grpc {
    /// Why a request that ended like this counts as the backend's failure, if it does. One without a status always does:
    /// nobody knows how it ended. One with a status that gRPC does not have is what clients make of it, `UNKNOWN`.
    pub fn cause(self, end: GrpcEnd) -> Option<Cause> {
        let status = match end {
            GrpcEnd::Missing => return Some(Cause::GrpcNoStatus),
            GrpcEnd::Other => GrpcStatus::Unknown,
            GrpcEnd::Status(status) => status,
        };
        self.failures.contains(status).then_some(Cause::GrpcStatus)
    }
}

/// A set of statuses. The default are those that tell of a server in trouble and not of a wrong request: `UNKNOWN`,
/// `DEADLINE_EXCEEDED`, `RESOURCE_EXHAUSTED`, `UNIMPLEMENTED`, `INTERNAL`, `UNAVAILABLE` and `DATA_LOSS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrpcFailures(u32);

impl GrpcFailures {
    /// Whether `status` is one of them.
    pub fn contains(self, status: GrpcStatus) -> bool {
        self.0 & (1 << status.number()) != 0
    }

    /// All of them, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = GrpcStatus> {
        GrpcStatus::ALL.into_iter().filter(move |status| self.contains(*status))
    }
}

impl FromIterator<GrpcStatus> for GrpcFailures {
    fn from_iter<T: IntoIterator<Item = GrpcStatus>>(statuses: T) -> Self {
        Self(statuses.into_iter().fold(0, |set, status| set | 1 << status.number()))
    }
}

impl Default for GrpcFailures {
    fn default() -> Self {
        use GrpcStatus::{
            DataLoss, DeadlineExceeded, Internal, ResourceExhausted, Unavailable, Unimplemented, Unknown,
        };
        [Unknown, DeadlineExceeded, ResourceExhausted, Unimplemented, Internal, Unavailable, DataLoss]
            .into_iter()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_a_server_in_trouble_fails_and_a_wrong_request_does_not() {
        let grpc = Grpc::default();
        let failures: Vec<_> = GrpcEnd::all().filter_map(|end| Some((end.label(), grpc.cause(end)?.label()))).collect();
        let expected = [
            ("UNKNOWN", "grpc-status"),
            ("DEADLINE_EXCEEDED", "grpc-status"),
            ("RESOURCE_EXHAUSTED", "grpc-status"),
            ("UNIMPLEMENTED", "grpc-status"),
            ("INTERNAL", "grpc-status"),
            ("UNAVAILABLE", "grpc-status"),
            ("DATA_LOSS", "grpc-status"),
            ("other", "grpc-status"),
            ("none", "grpc-no-status"),
        ];
        assert_eq!(failures, expected);
    }

    #[test]
    fn an_empty_set_leaves_what_has_no_status() {
        let grpc = Grpc { failures: GrpcFailures::from_iter([]) };
        let failures: Vec<_> = GrpcEnd::all().filter(|end| grpc.cause(*end).is_some()).collect();
        assert_eq!(failures, [GrpcEnd::Missing]);
        assert_eq!(grpc.failures.iter().count(), 0);
    }
}
