//! Room for things that cost memory: so many places, and no more.

use std::cell::Cell;
use std::rc::Rc;

/// One of the places that there are, taken for as long as it lives.
#[derive(Debug)]
pub(super) struct Place(Rc<Cell<u32>>);

impl Place {
    /// One of `most`, of which `places` counts those that are taken; `None` when that is all of them.
    pub(super) fn take(places: &Rc<Cell<u32>>, most: u32) -> Option<Self> {
        let taken = places.get();
        (taken < most).then(|| {
            places.set(taken + 1);
            Self(Rc::clone(places))
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_it_is_given_up() {
        let places = Rc::default();
        let (one, two) = (Place::take(&places, 2), Place::take(&places, 2));
        assert!(one.is_some() && two.is_some() && Place::take(&places, 2).is_none());
        drop(one);
        assert!(Place::take(&places, 2).is_some());
    }
}
