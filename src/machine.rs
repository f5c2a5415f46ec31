//! What the machine, or the container on it, gives us.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use std::num::NonZero;

/// Raises the number of files that may be open to the hard limit, since each request needs two; the number then in
/// force, `u64::MAX` when there is none.
///
/// # Errors
/// When the system refuses; the limit is then as it was.
pub fn raise_open_files() -> io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    }
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

/// How many CPUs this process may use at once, at least 1: those of its affinity mask, which is where a cpuset shows,
/// and no more than whole ones of its cgroup's quota, be it of version 1 or 2. The standard library knows all three.
pub fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_files_may_be_open_as_the_hard_limit_allows() {
        let raised = raise_open_files().unwrap();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert_eq!(raised, limit.maximum.unwrap_or(u64::MAX));
        assert_eq!(raise_open_files().unwrap(), raised, "a second time changes nothing");
    }

    #[test]
    fn there_is_a_cpu() {
        assert!(cpus() >= 1);
    }
}
