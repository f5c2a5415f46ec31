//! Which gRPC statuses are failures.

use super::{Check, all};
use crate::config::at::At;
use crate::config::node::Place;
use crate::config::problem::Problem;
use crate::config::raw;
use crate::plan::{Grpc, GrpcFailures};
use crate::stats::GrpcStatus;

impl Check<'_> {
    pub(super) fn grpc(self, raw: Option<&raw::Grpc>) -> Option<Grpc> {
        let Some(list) = raw.and_then(|raw| raw.failure_statuses.as_ref()) else { return Some(Grpc::default()) };
        let mut seen: Vec<(GrpcStatus, Place)> = Vec::new();
        let statuses = all(list.get()?.iter().map(|at| {
            let status = self.grpc_status(at)?;
            if let Some((_, first)) = seen.iter().find(|(other, _)| *other == status) {
                let problem = Problem::new(at.place, format!("`{status}` is there twice"));
                self.report(problem.label("the second time").also(*first, "the first time"));
                return None;
            }
            seen.push((status, at.place));
            Some(status)
        }))?;
        Some(Grpc { failures: GrpcFailures::from_iter(statuses) })
    }

    fn grpc_status(self, at: &At<raw::StatusText>) -> Option<GrpcStatus> {
        let name = &at.get()?.0;
        let status = GrpcStatus::ALL.into_iter().find(|status| status.name() == name);
        let errors = &GrpcStatus::NAMES[1..];
        match status {
            Some(GrpcStatus::Ok) => {
                let problem = Problem::new(at.place, "`OK` is no failure");
                self.report(problem.label("any other status"));
                None
            }
            None => {
                let problem = Problem::new(at.place, format!("gRPC has no status `{}`", name.escape_debug()));
                self.report(problem.label("not a status").known(name, errors.iter().copied()));
                None
            }
            status => status,
        }
    }
}
