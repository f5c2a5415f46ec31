//! How many connections each client has open, in all workers: an exact count behind a lock, which a connection takes when
//! it begins and when it ends, and no request ever does.

use super::ClientKey;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The clients that have connections open, each with how many; so there are never more of them than connections.
#[derive(Debug, Default, Clone)]
pub(in crate::proxy) struct OpenConnections(Arc<Mutex<HashMap<ClientKey, u32>>>);

/// Says that a client has a connection open, for as long as it lives.
#[derive(Debug)]
pub(in crate::proxy) struct Held {
    of: OpenConnections,
    client: ClientKey,
}

impl OpenConnections {
    /// Counts another connection of `client`, unless it has `most` of those that were counted.
    pub(in crate::proxy) fn hold(&self, client: ClientKey, most: u32) -> Option<Box<Held>> {
        let mut open = self.lock();
        match open.entry(client) {
            Entry::Occupied(count) if *count.get() >= most => return None,
            Entry::Occupied(mut count) => *count.get_mut() += 1,
            Entry::Vacant(place) => {
                place.insert(1);
            }
        }
        drop(open);
        Some(Box::new(Held { of: self.clone(), client }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ClientKey, u32>> {
        // Nothing in here stops half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut open = self.of.lock();
        if let Entry::Occupied(mut count) = open.entry(self.client) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_own_count_and_nothing_is_left_of_those_that_went() {
        let open = OpenConnections::default();
        let client = |n: u8| ClientKey::of([192, 0, 2, n].into());
        let held: Vec<_> = (0..3).map(|_| open.hold(client(1), 3).expect("there is room")).collect();
        assert!(open.hold(client(1), 3).is_none());
        let other = open.hold(client(2), 3);
        assert!(other.is_some());
        drop(held);
        assert!(open.hold(client(1), 1).is_some());
        drop(other);
        assert!(open.lock().is_empty());
    }
}
