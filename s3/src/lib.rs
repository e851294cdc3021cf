//! The S3 protocol as types: operations, XML, errors, SigV4, aws-chunked framing, checksums.
//!
//! A request head becomes a [`operation::Route`], a route with its headers (and, for three
//! operations, its XML body) becomes a [`request::Operation`], and the typed answer of
//! [`response`] becomes an `http::Response`. Calls of [`iam`] and [`sts`] come to the same door in a
//! protocol of their own, [`aws_query`]. Nothing here stores bytes or opens sockets.

pub mod acl;
pub mod arn;
pub mod auth;
pub mod aws_query;
pub mod body;
pub mod conditions;
pub mod config;
pub mod error;
pub mod etag;
pub mod iam;
pub mod name;
pub mod operation;
pub mod policy;
pub mod post;
pub mod range;
pub mod request;
pub mod response;
pub mod sts;
pub mod time;
mod xml;

pub use body::checksum::{Checksum, ChecksumAlgorithm, ChecksumType};
pub use error::{Error, ErrorCode, Result};
pub use etag::ETag;
pub use jiff::Timestamp;
pub use name::{BucketName, ObjectKey};
