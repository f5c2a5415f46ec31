//! gRPC's statuses, by which gRPC responses are counted.
//!
//! A gRPC response says how it went behind its content, under the HTTP status 200: to the judge the one is what the
//! other is for everything else.

use std::fmt;

macro_rules! statuses {
    ($($(#[doc = $doc:literal])* $variant:ident $name:literal;)*) => {
        /// How a gRPC call ended (gRPC's `doc/statuscodes.md`). Its number is that of `grpc-status`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum GrpcStatus {
            $($(#[doc = $doc])* $variant),*
        }

        impl GrpcStatus {
            /// Every status, in the order of their numbers, which begin with 0.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant),*];
            /// Their names, in the same order.
            pub const NAMES: [&str; Self::ALL.len()] = [$($name),*];
        }
    };
}

statuses! {
    /// It went well.
    Ok "OK";
    /// The caller gave it up.
    Cancelled "CANCELLED";
    /// An error without a better name.
    Unknown "UNKNOWN";
    /// What was asked for can never be answered.
    InvalidArgument "INVALID_ARGUMENT";
    /// It took longer than it may.
    DeadlineExceeded "DEADLINE_EXCEEDED";
    /// What was asked for is not there.
    NotFound "NOT_FOUND";
    /// What was to be made is there already.
    AlreadyExists "ALREADY_EXISTS";
    /// The caller may not do that.
    PermissionDenied "PERMISSION_DENIED";
    /// A quota, or something like it, is used up.
    ResourceExhausted "RESOURCE_EXHAUSTED";
    /// The system is not in a state for that.
    FailedPrecondition "FAILED_PRECONDITION";
    /// It was in conflict with another call.
    Aborted "ABORTED";
    /// Beyond the end of something.
    OutOfRange "OUT_OF_RANGE";
    /// There is no such method.
    Unimplemented "UNIMPLEMENTED";
    /// Something that the system relies on is broken.
    Internal "INTERNAL";
    /// Nobody can answer that now; trying again may help.
    Unavailable "UNAVAILABLE";
    /// Data is lost for good.
    DataLoss "DATA_LOSS";
    /// The caller has not said who it is.
    Unauthenticated "UNAUTHENTICATED";
}

impl GrpcStatus {
    /// The number that `grpc-status` carries.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The status with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Its name, as gRPC's documents write it: `NOT_FOUND`.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

impl fmt::Display for GrpcStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How the response to a gRPC request ended: what it is counted under. The labels are a closed set, whatever is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GrpcEnd {
    /// With this status.
    Status(GrpcStatus),
    /// With a `grpc-status` that is none of gRPC's; clients take it for `UNKNOWN`.
    Other,
    /// Without any: its trailers never came, or lack it.
    Missing,
}

impl GrpcEnd {
    /// How many there are.
    pub(super) const COUNT: usize = GrpcStatus::ALL.len() + 2;

    /// Every end, in the order of their counters.
    pub fn all() -> impl Iterator<Item = Self> {
        GrpcStatus::ALL.into_iter().map(Self::Status).chain([Self::Other, Self::Missing])
    }

    /// Its place among all of them.
    pub(super) fn index(self) -> usize {
        match self {
            Self::Status(status) => status as usize,
            Self::Other => GrpcStatus::ALL.len(),
            Self::Missing => GrpcStatus::ALL.len() + 1,
        }
    }

    /// The value of the label `grpc_status`: the status's name, `other` or `none`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Status(status) => status.name(),
            Self::Other => "other",
            Self::Missing => "none",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_grpcs() {
        for (number, name) in [(0, "OK"), (2, "UNKNOWN"), (4, "DEADLINE_EXCEEDED"), (8, "RESOURCE_EXHAUSTED")]
            .into_iter()
            .chain([(12, "UNIMPLEMENTED"), (13, "INTERNAL"), (14, "UNAVAILABLE"), (15, "DATA_LOSS")])
            .chain([(16, "UNAUTHENTICATED")])
        {
            let status = GrpcStatus::from_number(number).unwrap();
            assert_eq!((status.name(), status.number(), status.to_string()), (name, number, name.to_owned()));
        }
        assert_eq!(GrpcStatus::from_number(17), None);
    }

    #[test]
    fn every_end_has_a_place_and_a_label_of_its_own() {
        let places: Vec<_> = GrpcEnd::all().map(GrpcEnd::index).collect();
        assert_eq!(places, (0..GrpcEnd::COUNT).collect::<Vec<_>>());
        let labels: std::collections::BTreeSet<_> = GrpcEnd::all().map(GrpcEnd::label).collect();
        assert_eq!(labels.len(), GrpcEnd::COUNT);
    }
}
