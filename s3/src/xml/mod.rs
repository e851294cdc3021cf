//! The XML of requests and answers: strict reading and plain writing.

pub(crate) mod read;
pub(crate) mod write;
