//! Which operation a request asks for: the table of all operations, and the router that finds a
//! request's row, bucket and key.

pub mod query;
pub mod route;
pub mod table;

pub use query::Query;
pub use route::{BodyKind, Route, Router};
pub use table::{OperationInfo, OperationName, Scope, Status};
