//! Looking after tablets: splitting large ones, evening out the groups, and ending changes whose
//! driver died.
//!
//! [`plan`] decides, from sizes alone; [`Balancer`] finds the sizes, has the plan carried out and
//! takes up what others left. One balancer in the cluster is enough; several do no harm.

mod balancer;
mod plan;

pub use balancer::{Balancer, Round};
pub use plan::{Action, Policy, TabletLoad, plan};

/// What came of a change of a tablet that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TabletChanged {
    /// It is done, by this call or another.
    Done,
    /// It does not fit the bucket's map as it is now, or there is no such bucket.
    Unfit,
}
