//! What the benches of the erasure code share: the rows of the table, stripes of
//! memory, and every implementation behind one trait.

pub mod hashing;
pub mod peers;
pub mod stripes;
pub mod work;

pub use peers::Peer;
pub use stripes::Stripes;
pub use work::{Operation, Row};
