//! End-to-end and fault tests with real processes and real clients.
//!
//! The suites live in `tests/`; this library is their harness:
//!
//! * [`cluster`] starts and stops development clusters, and breaks them on purpose;
//! * [`s3`] is a small S3 client of its own, which shares no code with the product;
//! * [`client`] runs the clients that people use, as `docs/CLIENTS.md` lists them;
//! * [`mount`] holds buckets mounted as folders, [`tree`] the files to copy, [`data`] the bytes;
//! * [`python`] turns each test function under `python/` into a trial;
//! * [`compatibility`] holds what these have shown against `docs/s3-compatibility.toml`;
//! * [`skip`] decides what this machine cannot run, before anything is run;
//! * [`suite`] ties these into one `main` for each suite.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `RIQUET_BIN_DIR` | where `riquet`, `riquet-gateway` and `riquet-storage-node` are; else cargo's release folder |
//! | `RIQUET_VENV` | the Python environment with boto3 and the clients in Python; else `venv` in cargo's folder. Beside it lie the others, see [`paths::Venv`], and `node` |
//! | `RIQUET_E2E_LARGE` | 1: also the tests of many GiB |
//! | `RIQUET_E2E_KEEP_DATA` | keep the data of a failed cluster, not only its logs |
//!
//! `cargo test --release -p riquet-tests --test faults sites::` runs some trials of one suite.

pub mod client;
pub mod cluster;
pub mod compatibility;
pub mod data;
pub mod mount;
pub mod paths;
pub mod python;
pub mod s3;
pub mod settled;
pub mod skip;
pub mod suite;
pub mod tree;
