//! End-to-end and fault tests with real processes and real clients.
//!
//! The suites live in `tests/`; this library is their harness:
//!
//! * [`cluster`] starts and stops development clusters, and breaks them on purpose;
//! * [`s3`] is a small S3 client of its own, which shares no code with the product;
//! * [`client`] runs the clients that people use (aws, rclone, s3cmd, curl);
//! * [`mount`] holds buckets mounted as folders, [`tree`] the files to copy, [`data`] the bytes;
//! * [`python`] turns each test function under `python/` into a trial;
//! * [`skip`] decides what this machine cannot run, before anything is run;
//! * [`suite`] ties these into one `main` for each suite.

pub mod client;
pub mod cluster;
pub mod data;
pub mod mount;
pub mod paths;
pub mod python;
pub mod s3;
pub mod skip;
pub mod suite;
pub mod tree;
