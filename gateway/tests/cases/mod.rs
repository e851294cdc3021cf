//! Cases that fill a file of their own.

mod encryption;
