//! Newtype indices, so that a rule's number is never taken for a backend's.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u16);

        impl $name {
            /// The id of the item at `index`.
            ///
            /// # Panics
            /// Above 65,535: the config refuses that many items.
            pub fn new(index: usize) -> Self {
                Self(u16::try_from(index).expect("the config refuses more than 65,535 items of a kind"))
            }

            /// The index that this id stands for.
            pub fn index(self) -> usize {
                usize::from(self.0)
            }
        }
    };
}

id!(
    /// An index into [`Plan::backends`](super::Plan::backends).
    BackendId
);
id!(
    /// An index into [`Plan::routes`](super::Plan::routes).
    RouteId
);
id!(
    /// An index into [`Plan::rules`](super::Plan::rules).
    RuleId
);
id!(
    /// An index into [`Plan::rollouts`](super::Plan::rollouts).
    RolloutId
);
